// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"
)

// certificateDump has the shape of "certificates" in ztunnel's configuration dump.
type certificateDump struct {
	Identity  string      `json:"identity"`
	State     string      `json:"state"`
	CertChain []leafDump  `json:"certChain"`
	RootCerts []pemHolder `json:"rootCerts"`
}

type pemHolder struct {
	PEM string `json:"pem"` // base64 of the PEM text
}

type leafDump struct {
	pemHolder
	SerialNumber   string    `json:"serialNumber"`
	ValidFrom      time.Time `json:"validFrom"`
	ExpirationTime time.Time `json:"expirationTime"`
}

// adminHandler shows the certificates that istiod has signed for this node's pods.
func adminHandler(ids *identities, roots string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /config_dump", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{"certificates": dumpCertificates(ids, roots)}); err != nil {
			slog.Warn("stand-in: config dump", "error", err)
		}
	})
	return mux
}

func dumpCertificates(ids *identities, roots string) []certificateDump {
	out := []certificateDump{}
	root := []pemHolder{}
	if text, err := os.ReadFile(roots); err == nil {
		root = append(root, pemHolder{base64.StdEncoding.EncodeToString(text)})
	}
	all := ids.all()
	for _, id := range slices.Sorted(maps.Keys(all)) {
		out = append(out, certificateDump{Identity: id, State: state(all[id]), CertChain: dumpLeaf(all[id]), RootCerts: root})
	}
	return out
}

func state(c *tls.Certificate) string {
	if time.Now().After(c.Leaf.NotAfter) {
		return "Unavailable: expired"
	}
	return "Available"
}

func dumpLeaf(c *tls.Certificate) []leafDump {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Leaf.Raw})
	return []leafDump{{
		pemHolder:      pemHolder{base64.StdEncoding.EncodeToString(text)},
		SerialNumber:   c.Leaf.SerialNumber.String(),
		ValidFrom:      c.Leaf.NotBefore,
		ExpirationTime: c.Leaf.NotAfter,
	}}
}
