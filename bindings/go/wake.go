package procconnector

// #include <proc_connector.h>
import "C"

// Wake is how soon a thread runs after it is woken: the argument and the result of [WakeSoon].
type Wake uint32

const (
	WakeUsual    Wake = C.PC_WAKE_USUAL    // as before: WakeSoon has changed nothing
	WakeSlice    Wake = C.PC_WAKE_SLICE    // SCHED_OTHER with the shortest slice, 100 µs; needs Linux 6.12, but no privilege
	WakeRealtime Wake = C.PC_WAKE_REALTIME // SCHED_FIFO, priority 1; needs CAP_SYS_NICE or an RLIMIT_RTPRIO of 1
)

// WakeSoon asks the kernel to run the calling thread soon after it is woken. It returns the mode
// now in force, as read back from the kernel. If the kernel does not grant WakeRealtime, the thread
// gets WakeSlice. See pc_wake_soon(3).
//
// The call affects a thread, so the goroutine first calls [runtime.LockOSThread], and never
// unlocks. The thread then ends with the goroutine, and no other goroutine gets it. Go makes new
// threads from a thread that is not locked, so none of them inherits this.
//
// Recv and Next do not benefit: they wait in Go's poller, and the poller's thread wakes the
// goroutine's thread. To read the command lines of short programs, call [Connector.RecvOnThread] or
// [Table.NextOnThread], which wait on the goroutine's own thread.
func WakeSoon(most Wake) (Wake, error) {
	result := C.pc_wake_soon(C.uint32_t(most))
	if result < 0 {
		return WakeUsual, failure("wake soon", result)
	}
	return Wake(result), nil
}
