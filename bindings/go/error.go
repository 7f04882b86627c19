package procconnector

// #include <proc_connector.h>
import "C"

import (
	"errors"
	"syscall"
)

// An Error says what went wrong and what to do about it. errors.Is compares it with errno values
// (syscall.EPERM), and so with [os.ErrPermission] and the like.
//
// Closed connectors and tables return [os.ErrClosed], and ended contexts their own errors.
type Error struct {
	Op    string // "open", "recv", …
	Errno syscall.Errno
	// Option is the field of [Options] or [TableOptions] that is wrong, if one is.
	Option string
}

func (e *Error) Error() string {
	if e.Option != "" {
		return "procconnector: " + e.Op + ": invalid option " + e.Option
	}
	return "procconnector: " + e.Op + ": " + C.GoString(C.pc_strerror(C.int(e.Errno)))
}

func (e *Error) Unwrap() error { return e.Errno }

// Of what a function of the library returned; nil if it did not fail.
func failure(op string, result C.int) error {
	if result >= 0 {
		return nil
	}
	return &Error{Op: op, Errno: syscall.Errno(-result)}
}

// The fields that C calls by another name.
var options = map[string]string{
	"events": "Events", "rcvbuf_bytes": "QueueBytes", "fields": "Fields", "family": "Family", "text_bytes": "TextBytes",
}

// Adds the option that is wrong, which C names, to an error.
func withOption(err error, name *C.char) error {
	var e *Error
	if name != nil && errors.As(err, &e) {
		e.Option = options[C.GoString(name)]
	}
	return err
}
