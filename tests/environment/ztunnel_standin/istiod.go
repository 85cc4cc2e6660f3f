// GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"crypto/tls"

	"ambient.alauda.io/ztunnel-standin/istiod"
)

func (c config) istiod() *istiod.Client {
	return &istiod.Client{
		XDSAddress: c.xdsAddress, CAAddress: c.caAddress, ClusterID: c.clusterID,
		NodeName: c.nodeName, InstanceIP: c.instanceIP, PodName: c.podName, PodNamespace: c.podNamespace,
		ServiceAccount: c.serviceAccount, Token: c.token, Roots: c.roots,
	}
}

// nodeAuthority has istiod sign for the pods of this node.
type nodeAuthority struct{ *istiod.Client }

func (a nodeAuthority) sign(ctx context.Context, id string) (*tls.Certificate, error) {
	return a.Impersonate(ctx, id)
}
