module ambient.alauda.io/toolchain/pause

go 1.26.0
