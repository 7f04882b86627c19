//go:build !cgo

package procconnector

// Not defined: the compiler's error says what is missing.
var _ = CGO_ENABLED_must_be_1_and_a_C_compiler_installed
