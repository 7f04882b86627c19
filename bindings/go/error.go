package procconnector

// #include <proc_connector.h>
import "C"

import (
	"errors"
	"syscall"
)

// An Error explains a failure and what to do about it. errors.Is compares it with errno values such
// as syscall.EPERM, and with [os.ErrPermission] and the like.
//
// Closed connectors and tables return [os.ErrClosed], and ended contexts their own errors.
type Error struct {
	Op    string // "open", "recv", …
	Errno syscall.Errno
	// Option is the wrong field of [Options] or [TableOptions], if there is one.
	Option string
}

func (e *Error) Error() string {
	if e.Option != "" {
		return "procconnector: " + e.Op + ": invalid option " + e.Option + ": must be " + allowed[e.Option]
	}
	return "procconnector: " + e.Op + ": " + C.GoString(C.pc_strerror(C.int(e.Errno)))
}

func (e *Error) Unwrap() error { return e.Errno }

// Makes an error from the result of a function of the library; nil if it did not fail.
func failure(op string, result C.int) error {
	if result >= 0 {
		return nil
	}
	return &Error{Op: op, Errno: syscall.Errno(-result)}
}

// The fields that have another name in C.
var options = map[string]string{
	"events": "Events", "rcvbuf_bytes": "QueueBytes", "fields": "Fields", "family": "Family", "text_bytes": "TextBytes",
}

// The values that an option may have.
var allowed = map[string]string{
	"Events":     "0 or a combination of Mask constants",
	"QueueBytes": "0 to 2147483647",
	"Fields":     "0 or a combination of Field constants",
	"Family":     "0 or a PID above 1",
	"TextBytes":  "at most 8388608",
}

// Adds the name of the wrong option, which C returns, to an error.
func withOption(err error, name *C.char) error {
	var e *Error
	if name != nil && errors.As(err, &e) {
		e.Option = options[C.GoString(name)]
	}
	return err
}
