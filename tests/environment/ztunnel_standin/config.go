// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// config is what the ztunnel chart puts into the container: environment
// variables, mounted files, and ports that never change.
type config struct {
	xdsAddress, caAddress string
	clusterID             string
	nodeName, instanceIP  string
	podName, podNamespace string
	serviceAccount        string
	token, roots, socket  string // paths
	readinessAddress      string
	adminAddress          string        // loopback
	nameservers           []string      // host:port
	drain                 time.Duration // at most, at the end
	discovery             time.Duration // that istiod may take to send a pod's workload
	ports                 ports
}

// ports of the listeners inside each pod; the CNI agent's rules redirect to them.
type ports struct{ outbound, inbound, hbone, dns uint16 }

func (p ports) own(port uint16) bool {
	return port == p.outbound || port == p.inbound || port == p.hbone || port == p.dns
}

func configFromEnv() config {
	resolv, _ := os.ReadFile("/etc/resolv.conf") // none: DNS queries of pods stay unanswered, and the log says so
	return config{
		xdsAddress:       os.Getenv("XDS_ADDRESS"),
		caAddress:        os.Getenv("CA_ADDRESS"),
		clusterID:        os.Getenv("ISTIO_META_CLUSTER_ID"),
		nodeName:         os.Getenv("NODE_NAME"),
		instanceIP:       os.Getenv("INSTANCE_IP"),
		podName:          os.Getenv("POD_NAME"),
		podNamespace:     os.Getenv("POD_NAMESPACE"),
		serviceAccount:   os.Getenv("SERVICE_ACCOUNT"),
		token:            "/var/run/secrets/tokens/istio-token",
		roots:            "/var/run/secrets/istio/root-cert.pem",
		socket:           "/var/run/ztunnel/ztunnel.sock",
		readinessAddress: ":15021",
		adminAddress:     "127.0.0.1:15000",
		nameservers:      nameservers(string(resolv)),
		drain:            drainTime(os.Getenv("TERMINATION_GRACE_PERIOD_SECONDS")),
		discovery:        15 * time.Second, // a new pod is unknown to istiod until the kubelet has reported its address
		ports:            ports{outbound: 15001, inbound: 15006, hbone: 15008, dns: 15053},
	}
}

func (c config) self() workload {
	return workload{name: c.podName, namespace: c.podNamespace, serviceAccount: c.serviceAccount}
}

// drainTime leaves the kubelet's grace period two seconds before it ends.
func drainTime(seconds string) time.Duration {
	n, err := strconv.Atoi(seconds)
	if err != nil {
		n = 30
	}
	return time.Duration(max(n-2, 0)) * time.Second
}

func nameservers(resolv string) []string {
	var out []string
	for line := range strings.Lines(resolv) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "nameserver" {
			out = append(out, net.JoinHostPort(f[1], "53"))
		}
	}
	return out
}
