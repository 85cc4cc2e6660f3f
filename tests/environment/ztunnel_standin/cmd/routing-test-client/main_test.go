// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"ambient.alauda.io/ztunnel-standin/routing"
)

func TestParse(t *testing.T) {
	o, err := parse([]string{"--target", "http://a.b/", "--target", "http://c.d:81/", "--rate", "20", "--expect", "200,403", "--mode", "pod-ip"})
	if err != nil || len(o.targets) != 2 || o.rate != 20 || len(o.expect) != 2 || o.mode != routing.ModePodIP || o.timeout != 3*time.Second {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{
		{}, {"--target", "http://a/"}, {"--target", "http://a.b/", "--mode", "x"}, {"--target", "http://a.b/", "--rate", "0"},
		{"--target", "http://a.b/", "--expect", "ok"}, {"--target", "http://a.b/", "more"},
	} {
		if o, err := parse(bad); err == nil {
			t.Errorf("%q: %+v", bad, o)
		}
	}
}

// TestLoopAnswersForWhatIsUnderWay: the end of a loop cuts no request.
func TestLoopAnswersForWhatIsUnderWay(t *testing.T) {
	arrived := make(chan struct{}, 100)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		time.Sleep(300 * time.Millisecond)
	}))
	defer s.Close()
	_, port, _ := net.SplitHostPort(s.Listener.Addr().String())
	o, err := parse([]string{"--target", "http://127.0.0.1:" + port + "/", "--rate", "50", "--plaintext"})
	if err != nil {
		t.Fatal(err)
	}
	client, err := connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	report := routing.NewReport(o.expect)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		send(ctx, client, o, report)
	}()
	<-arrived
	stop()
	<-ended
	if sum := report.Final().Sum; sum.Total == 0 || sum.Failed != 0 {
		t.Errorf("%+v", sum)
	}
}
