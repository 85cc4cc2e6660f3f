// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command ztunnel-standin takes ztunnel's place in tests where no ztunnel
// binary is to be had. To istiod and to the CNI agent it behaves as ztunnel
// does; it passes the pods' plain traffic through and ends HBONE that waypoints
// send. It neither encrypts what clients send nor enforces any policy.
package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"ambient.alauda.io/ztunnel-standin/istiod"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
)

const retryDelay = time.Second

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stdout, nil)))
	slog.Warn("ztunnel stand-in: no encryption, no policy; plain traffic is passed through. For tests only")
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, configFromEnv()); err != nil {
		slog.Error("stand-in: giving up", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config) error {
	ready := newReadiness(c.self())
	control := c.istiod()
	known := newDirectory()
	ids := newIdentities(nodeAuthority{control}, ready)
	pods := newPodSet(&enroller{config: c, directory: known, identities: ids, ready: ready})

	failed := make(chan error, 2)
	for address, handler := range map[string]http.Handler{
		c.readinessAddress: ready.handler(),
		c.adminAddress:     adminHandler(ids, c.roots),
	} {
		server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: 5 * time.Second}
		go func() { failed <- server.ListenAndServe() }()
		defer server.Close()
	}

	var loops sync.WaitGroup
	loops.Go(func() {
		again(ctx, func() { ready.result("xds", control.Subscribe(ctx, answered(known, ready))) })
	})
	loops.Go(func() {
		again(ctx, func() { ready.result("cni", serveAgent(ctx, c.socket, pods, func() { ready.ok("cni") })) })
	})
	// The stand-in's own identity is the first that istiod has to sign, so that
	// a wrong trusted namespace shows before any pod is enrolled.
	defer pods.enroller.prove(c.self()).end()

	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	slog.Info("stand-in: draining", "at_most", c.drain)
	ready.fail("shutdown", errors.New("the stand-in is going away"))
	loops.Wait() // a successor gets the CNI agent's messages from here on
	pods.closeAll(c.drain)
	slog.Info("stand-in: gone")
	return nil
}

// answered takes each answer in; the first makes xDS no reason against readiness.
func answered(known *directory, ready *readiness) istiod.Update {
	return func(fresh bool, resources []*discovery.Resource, removed []string) error {
		if err := known.update(fresh, resources, removed); err != nil {
			return err
		}
		ready.ok("xds")
		return nil
	}
}

// again runs f until ctx ends, with a pause between two runs.
func again(ctx context.Context, f func()) {
	for ctx.Err() == nil {
		f()
		select {
		case <-ctx.Done():
		case <-time.After(retryDelay):
		}
	}
}
