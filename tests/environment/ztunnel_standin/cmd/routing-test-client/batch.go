// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"ambient.alauda.io/ztunnel-standin/routing"
)

const (
	batchAtOnce  = 16
	batchTimeout = 10 * time.Second // of a request
	batchWords   = 600              // bytes of a body that are told
)

// batch is what stands on standard input: who calls, and all that they send.
type batch struct {
	Identities map[string]pair `json:"identities"`
	Requests   []request       `json:"requests"`
}

// pair is a certificate that the mesh trusts, with its key, both in PEM.
type pair struct {
	Certificate string `json:"certificate"`
	Key         string `json:"key"`
}

// request is sent byte for byte: no library may mend its path or its headers.
type request struct {
	ID       string `json:"id"`
	Identity string `json:"identity"`
	To       string `json:"to"`   // SERVICE.NAMESPACE:port
	Head     string `json:"head"` // request line and headers, up to the empty line
}

// verdict is the line for one request.
type verdict struct {
	Client string `json:"client"`
	ID     string `json:"id"`
	Route  string `json:"route"`
	Status int    `json:"status"` // 0: no answer
	Body   string `json:"body"`
	Error  string `json:"error"`
}

// runBatch sends all requests, some at once, and writes a line for each as it is answered.
func runBatch(ctx context.Context, in io.Reader, out io.Writer, client *routing.Client) error {
	var b batch
	if err := json.NewDecoder(in).Decode(&b); err != nil {
		return fmt.Errorf("standard input is no batch: %w", err)
	}
	dialers := map[string]*routing.Dialer{}
	for name, p := range b.Identities {
		certificate, err := tls.X509KeyPair([]byte(p.Certificate), []byte(p.Key))
		if err != nil {
			return fmt.Errorf("identity %s: %w", name, err)
		}
		dialers[name] = &routing.Dialer{Certificate: &certificate, Roots: client.Dialer.Roots}
	}
	var mu sync.Mutex
	encoder := json.NewEncoder(out)
	var sending sync.WaitGroup
	slots := make(chan struct{}, batchAtOnce)
	for _, r := range b.Requests {
		slots <- struct{}{}
		sending.Go(func() {
			defer func() { <-slots }()
			said := ask(ctx, client.Book, dialers[r.Identity], r)
			mu.Lock()
			defer mu.Unlock()
			_ = encoder.Encode(said)
		})
	}
	sending.Wait()
	return nil
}

func ask(ctx context.Context, book *routing.Book, dialer *routing.Dialer, r request) verdict {
	ctx, cancel := context.WithTimeoutCause(ctx, batchTimeout, fmt.Errorf("no answer within %s", batchTimeout))
	defer cancel()
	out := verdict{Client: routing.Banner, ID: r.ID}
	err := fmt.Errorf("identity %q is not in the batch", r.Identity)
	if dialer != nil {
		var plan routing.Plan
		if plan, err = book.PlanTo(r.To); err == nil {
			out.Route = plan.Route
			var body []byte
			out.Status, body, err = dialer.Raw(ctx, plan, r.Head)
			out.Body = string(body[:min(len(body), batchWords)])
		}
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		out.Error = err.Error()
	}
	return out
}

func batchMain(ctx context.Context) error {
	client, err := connect(ctx, options{mode: routing.ModeService})
	if err != nil {
		return err
	}
	return runBatch(ctx, os.Stdin, os.Stdout, client)
}
