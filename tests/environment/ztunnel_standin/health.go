// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	banner        = "ztunnel stand-in, no encryption"
	probePatience = 900 * time.Millisecond // the kubelet's probe ends after a second
)

// readiness is green while no part has a reason against it.
type readiness struct {
	mu      sync.Mutex
	reasons map[string]string // by part
}

// newReadiness is red until every part that is always there has reported.
func newReadiness(self workload) *readiness {
	return &readiness{reasons: map[string]string{
		"xds":      "waiting for istiod's first answer",
		"cni":      "waiting for the CNI agent's snapshot",
		part(self): "waiting for istiod to know this pod and to sign its identity",
	}}
}

func part(w workload) string { return "pod " + w.String() }

func (r *readiness) ok(part string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, bad := r.reasons[part]; !bad {
		return
	}
	delete(r.reasons, part)
	slog.Info("stand-in: good", "part", part, "ready", len(r.reasons) == 0)
}

func (r *readiness) fail(part string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reasons[part] == err.Error() {
		return // a retry that failed the same way is no news
	}
	r.reasons[part] = err.Error()
	slog.Warn("stand-in: not ready", "part", part, "reason", err.Error())
}

// result reports the end of an attempt; nil tells nothing new.
func (r *readiness) result(part string, err error) {
	if err != nil {
		r.fail(part, err)
	}
}

func (r *readiness) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz/ready", func(w http.ResponseWriter, req *http.Request) {
		status, body := r.patientReport(req.Context())
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	return mux
}

// patientReport waits a little for a start that is about to succeed: the kubelet
// asks at once, and then only every ten seconds.
func (r *readiness) patientReport(ctx context.Context) (int, string) {
	ctx, cancel := context.WithTimeout(ctx, probePatience)
	defer cancel()
	for {
		status, body := r.report()
		if status == http.StatusOK || ctx.Err() != nil {
			return status, body
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// report gives the probe's status and, in words for people, why it is red.
func (r *readiness) report() (int, string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.reasons) == 0 {
		return http.StatusOK, banner + ": ready\n"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: not ready\n", banner)
	for _, part := range slices.Sorted(maps.Keys(r.reasons)) {
		fmt.Fprintf(&b, "- %s: %s\n", part, r.reasons[part])
	}
	return http.StatusServiceUnavailable, b.String()
}
