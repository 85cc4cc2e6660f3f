module ambient.alauda.io/toolchain/coredns

go 1.26.0

require (
	github.com/coredns/caddy v1.1.2
	github.com/coredns/coredns v1.12.4
)
