// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command routing-test-client is the client of tests that route as ztunnel
// would. It is NOT ztunnel: it follows istiod's workloads and services and sends
// its own requests the way that ztunnel's outbound proxy would, from a pod
// outside the mesh.
//
//	routing-test-client --target http://cart.shop/ --rate 20 --duration 30s
//	routing-test-client --once --target http://cart.shop/ --method POST
//	routing-test-client idle     waits, for others to exec --once beside it
//	routing-test-client stop     ends the loop that runs in this container
//	routing-test-client batch    sends the requests of standard input, under the identities in it
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"ambient.alauda.io/ztunnel-standin/istiod"
	"ambient.alauda.io/ztunnel-standin/routing"
)

const startPatience = 20 * time.Second

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, nil))) // what is on standard output is for programs
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, routing.Banner+":", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	if len(arguments) == 1 && arguments[0] == "stop" {
		return syscall.Kill(1, syscall.SIGTERM)
	}
	if len(arguments) == 1 && arguments[0] == "idle" {
		<-ctx.Done()
		return nil
	}
	if len(arguments) == 1 && arguments[0] == "batch" {
		return batchMain(ctx)
	}
	o, err := parse(arguments)
	if err != nil {
		return err
	}
	client, err := connect(ctx, o)
	if err != nil {
		return err
	}
	if o.once {
		return say(once(ctx, client, o))
	}
	return loop(ctx, client, o)
}

// connect comes back with a certificate and istiod's first answer; what istiod
// says later keeps the client's book current until ctx ends.
func connect(ctx context.Context, o options) (*routing.Client, error) {
	client := &routing.Client{
		Book: routing.NewBook(), Dialer: &routing.Dialer{},
		Mode: o.mode, Plaintext: o.plaintext, Timeout: o.timeout, Retries: o.retries,
	}
	if o.plaintext && o.mode != routing.ModePodIP {
		return client, nil // a caller outside the mesh needs nothing of it
	}
	control := fromEnv()
	soon, cancel := context.WithTimeout(ctx, startPatience)
	defer cancel()
	var err error
	if client.Dialer.Certificate, err = control.Own(soon); err != nil {
		return nil, err
	}
	if client.Dialer.Roots, err = istiod.ReadRoots(control.Roots); err != nil {
		return nil, err
	}
	go follow(ctx, control, client.Book)
	select {
	case <-client.Book.Filled():
		return client, nil
	case <-soon.Done():
		return nil, fmt.Errorf("istiod at %s has sent no addresses within %s", control.XDSAddress, startPatience)
	}
}

// follow starts the stream anew whenever it ends; what was known holds meanwhile.
func follow(ctx context.Context, control *istiod.Client, book *routing.Book) {
	for ctx.Err() == nil {
		if err := control.Subscribe(ctx, book.Update); err != nil {
			fmt.Fprintln(os.Stderr, routing.Banner+":", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func fromEnv() *istiod.Client {
	address := os.Getenv("ISTIOD_ADDRESS")
	if address == "" {
		address = "istiod.istio-system.svc:15012"
	}
	return &istiod.Client{
		XDSAddress: address, CAAddress: address, ClusterID: "Kubernetes",
		NodeName: os.Getenv("NODE_NAME"), InstanceIP: os.Getenv("INSTANCE_IP"),
		PodName: os.Getenv("POD_NAME"), PodNamespace: os.Getenv("POD_NAMESPACE"),
		ServiceAccount: os.Getenv("SERVICE_ACCOUNT"),
		Token:          "/var/run/secrets/tokens/istio-token",
		Roots:          "/var/run/secrets/istio/root-cert.pem",
	}
}

// say writes one line of JSON.
func say(line any) error { return json.NewEncoder(os.Stdout).Encode(line) }
