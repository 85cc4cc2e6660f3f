// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ambient.alauda.io/ztunnel-standin/fakeca"
)

// recorder signs for a day and notes when it was asked.
type recorder struct {
	t     *testing.T
	ca    *fakeca.Authority
	start time.Time
	asked []time.Duration
	fail  func(attempt int) bool
}

func (r *recorder) sign(_ context.Context, id string) (*tls.Certificate, error) {
	r.asked = append(r.asked, time.Since(r.start))
	if r.fail != nil && r.fail(len(r.asked)) {
		return nil, errors.New("istiod is down")
	}
	return r.ca.Leaf(r.t, id), nil
}

func identityTest(t *testing.T, fail func(int) bool, test func(*testing.T, *identities, *recorder, *readiness)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &recorder{t: t, ca: fakeca.New(t), start: time.Now(), fail: fail}
		ready := newReadiness(self)
		test(t, newIdentities(r, ready), r, ready)
	})
}

const someID = "spiffe://cluster.local/ns/shop/sa/web"

func hours(all []time.Duration) (out []float64) {
	for _, d := range all {
		out = append(out, d.Round(time.Minute).Hours())
	}
	return out
}

func TestCertificateIsRenewedHalfWay(t *testing.T) {
	identityTest(t, nil, func(t *testing.T, s *identities, r *recorder, _ *readiness) {
		i := s.hold(someID)
		defer s.release(i)
		first, err := i.certificate(t.Context())
		must(t, err)
		time.Sleep(25 * time.Hour)
		synctest.Wait()
		if got := hours(r.asked); len(got) != 3 || got[1] != 12 || got[2] != 24 {
			t.Errorf("asked after %v hours, want 0, 12, 24", got)
		}
		if now := i.latest(); now == first || time.Now().After(now.Leaf.NotAfter) {
			t.Error("the certificate in use is the first one, or expired")
		}
	})
}

func TestPodsOfOneAccountShareACertificateUntilTheLastGoes(t *testing.T) {
	identityTest(t, nil, func(t *testing.T, s *identities, r *recorder, _ *readiness) {
		a, b := s.hold(someID), s.hold(someID)
		s.release(a)
		time.Sleep(13 * time.Hour)
		synctest.Wait()
		if a != b || len(r.asked) != 2 {
			t.Errorf("same: %v, asked %v", a == b, hours(r.asked))
		}
		s.release(b)
		time.Sleep(48 * time.Hour)
		if len(r.asked) != 2 || len(s.all()) != 0 {
			t.Errorf("asked %v after the last pod had gone", hours(r.asked))
		}
	})
}

func TestRefusalIsRetriedAndMakesReadinessRed(t *testing.T) {
	identityTest(t, func(n int) bool { return n < 4 }, func(t *testing.T, s *identities, r *recorder, ready *readiness) {
		i := s.hold(someID)
		defer s.release(i)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if _, body := ready.report(); !strings.Contains(body, "certificate "+someID+": istiod is down") {
			t.Error(body)
		}
		time.Sleep(8 * time.Second) // after 1, 2 and 4 seconds
		synctest.Wait()
		if _, body := ready.report(); len(r.asked) != 4 || strings.Contains(body, someID) {
			t.Errorf("asked after %v; %s", r.asked, body)
		}
	})
}

func TestFailedRenewalIsNoReasonBeforeExpiry(t *testing.T) {
	identityTest(t, func(n int) bool { return n > 1 }, func(t *testing.T, s *identities, _ *recorder, ready *readiness) {
		i := s.hold(someID)
		defer s.release(i)
		time.Sleep(23 * time.Hour)
		synctest.Wait()
		if _, body := ready.report(); strings.Contains(body, someID) {
			t.Error("red while the certificate is valid: " + body)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if _, body := ready.report(); !strings.Contains(body, someID) {
			t.Error("green with an expired certificate: " + body)
		}
	})
}
