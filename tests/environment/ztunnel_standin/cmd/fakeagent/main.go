// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command fakeagent hands one pod to each ztunnel that connects to its socket:
// the contract test runs it on a node, beside the real CNI agent.
package main

import (
	"flag"
	"log"
	"os"
	"time"

	"ambient.alauda.io/ztunnel-standin/fakeagent"
)

func main() {
	var pod fakeagent.Pod
	socket := flag.String("socket", "", "path of the socket to serve")
	netns := flag.String("netns", "", "path of the pod's network namespace")
	flag.StringVar(&pod.UID, "uid", "", "UID of the pod")
	flag.StringVar(&pod.Name, "name", "", "name of the pod")
	flag.StringVar(&pod.Namespace, "namespace", "", "namespace of the pod")
	flag.StringVar(&pod.ServiceAccount, "service-account", "default", "service account of the pod")
	flag.Parse()
	log.SetOutput(os.Stdout)
	if err := serve(*socket, *netns, pod); err != nil {
		log.Fatal(err)
	}
}

func serve(socket, netns string, pod fakeagent.Pod) error {
	file, err := os.Open(netns)
	if err != nil {
		return err
	}
	agent, err := fakeagent.Listen(socket)
	if err != nil {
		return err
	}
	log.Printf("serving %s", socket)
	for {
		conn, err := agent.Accept()
		if err != nil {
			return err
		}
		go hand(conn, pod, file)
	}
}

func hand(conn *fakeagent.Conn, pod fakeagent.Pod, netns *os.File) {
	defer conn.Close()
	log.Printf("hello; add: %v; snapshot: %v", conn.Add(pod, netns), conn.SnapshotSent())
	_ = conn.SetReadDeadline(time.Time{})
	_, _ = conn.Read(make([]byte, 1)) // until the ztunnel goes
	log.Print("gone")
}
