//go:build !static

package procconnector

// #cgo pkg-config: proc_connector
import "C"
