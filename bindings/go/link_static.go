//go:build static

package procconnector

// #cgo pkg-config: --static proc_connector
// #cgo LDFLAGS: -static
import "C"
