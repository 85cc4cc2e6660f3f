// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package routing

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/http2"
)

const maxBody = 1 << 20

// Client sends requests, each over a connection of its own.
type Client struct {
	Book      *Book
	Dialer    *Dialer
	Mode      Mode
	Plaintext bool // as a caller outside the mesh
	Timeout   time.Duration
	Retries   int // how often a request without an answer, or with 503, is sent again

	names names
}

// Result is what became of one request.
type Result struct {
	Route    string // "" where none was found
	Status   int    // 0: no answer
	Hostname string // of the pod that answered, if it is an echo server
	Err      error
	Before   []string // the reasons of the tries before this one
}

const firstPause = 100 * time.Millisecond // before the second try, twice as long before each further one

// Do sends one request, and again as often as it may.
func (c *Client) Do(ctx context.Context, method string, t Target) Result {
	var before []string
	for pause := firstPause; ; pause *= 2 {
		out := c.once(ctx, method, t)
		out.Before = before
		if len(before) == c.Retries || (out.Err == nil && out.Status != http.StatusServiceUnavailable) {
			return out
		}
		before = append(before, out.Reason())
		time.Sleep(pause)
	}
}

func (c *Client) once(ctx context.Context, method string, t Target) Result {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Timeout, fmt.Errorf("no answer within %s", c.Timeout))
	defer cancel()
	plan, err := c.plan(ctx, t)
	if err != nil {
		return Result{Err: err}
	}
	out := Result{Route: plan.Route}
	out.Status, out.Hostname, out.Err = c.exchange(ctx, method, t, plan)
	if out.Err != nil && ctx.Err() != nil {
		out.Err = context.Cause(ctx)
	}
	return out
}

func (c *Client) plan(ctx context.Context, t Target) (Plan, error) {
	to, err := (&resolver{c.Book, &c.names}).address(ctx, t, c.Mode)
	if err != nil || c.Plaintext {
		return Plain(to), err
	}
	return c.Book.Plan(to)
}

// exchange does without http.Transport: that may go on dialling after the
// request has ended.
func (c *Client) exchange(ctx context.Context, method string, t Target, p Plan) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, t.URL.String(), nil)
	if err != nil {
		return 0, "", err
	}
	r.Close = true
	conn, err := c.Dialer.Dial(ctx, p)
	if err != nil {
		return 0, "", err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := r.Write(conn); err != nil {
		return 0, "", err
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), r)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	return answer.StatusCode, hostname(string(body)), err
}

// hostname is what Istio's echo server says about itself.
func hostname(body string) string {
	for line := range strings.Lines(body) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "Hostname="); ok {
			return name
		}
	}
	return ""
}

// Reason sorts a failure for counting; the full words are in the error.
func (r Result) Reason() string {
	var timeout net.Error
	var stream http2.StreamError
	switch {
	case r.Err == nil:
		return fmt.Sprintf("status %d", r.Status)
	case errors.Is(r.Err, ErrUnknownWaypoint):
		return ErrUnknownWaypoint.Error()
	case errors.Is(r.Err, ErrNoUpstream):
		return ErrNoUpstream.Error()
	case strings.HasPrefix(r.Err.Error(), "no answer within"), errors.As(r.Err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(r.Err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(r.Err, syscall.ECONNRESET), errors.Is(r.Err, io.EOF), errors.Is(r.Err, io.ErrUnexpectedEOF):
		return "connection cut"
	case strings.Contains(r.Err.Error(), "HBONE to"):
		return "tunnel refused"
	case errors.As(r.Err, &stream): // after the CONNECT was answered
		return "tunnel cut"
	default:
		return "other"
	}
}
