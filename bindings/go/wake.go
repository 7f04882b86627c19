package procconnector

// #include <proc_connector.h>
import "C"

// Wake is how soon a thread runs after it is woken: what [WakeSoon] takes and returns.
type Wake uint32

const (
	WakeUsual    Wake = C.PC_WAKE_USUAL    // as before: WakeSoon has changed nothing
	WakeSlice    Wake = C.PC_WAKE_SLICE    // SCHED_OTHER with the shortest slice, 100 µs; needs no privilege, and Linux 6.12
	WakeRealtime Wake = C.PC_WAKE_REALTIME // SCHED_FIFO, priority 1; needs CAP_SYS_NICE or an RLIMIT_RTPRIO of 1
)

// WakeSoon asks the kernel to run the calling thread soon after it is woken, and returns what is in force
// now, as read back from the kernel. WakeRealtime stands for the slice where it is not granted. See
// pc_wake_soon(3).
//
// It is about a thread, so the goroutine calls [runtime.LockOSThread] first, and never unlocks: then the
// thread ends with the goroutine, and no other goroutine gets it. Go makes new threads from a thread that
// is not locked, so none of them inherits this.
//
// Recv and Next wait in Go's poller, whose thread wakes that of the goroutine: they do not profit. A
// goroutine that is to read the command lines of short programs calls [Connector.RecvOnThread] or
// [Table.NextOnThread], which wait on its own thread.
func WakeSoon(most Wake) (Wake, error) {
	result := C.pc_wake_soon(C.uint32_t(most))
	if result < 0 {
		return WakeUsual, failure("wake soon", result)
	}
	return Wake(result), nil
}
