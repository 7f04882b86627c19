// SPDX-License-Identifier: MIT OR Apache-2.0

// Package procconnector tells of every fork, exec, exit, id change, ptrace, rename and core dump on
// this machine, through Linux's Process Event Connector. It is never silently wrong: events that are
// lost are announced in the stream, and each way of not receiving events is an error that says what
// to do.
//
// A [Connector] delivers the events. A [Table] lists all processes, follows them, and recovers from
// losses by itself. Choose the table if you want to know which processes exist.
//
// # Linking
//
// The package is bound to the C library proc_connector by cgo. pkg-config must find it; for a
// library that is not installed where the linker looks, set PKG_CONFIG_PATH, and at run time
// LD_LIBRARY_PATH. With the build tag "static" the program is linked statically, as a whole.
//
// # Module path
//
// The "example.org" in the module's path stands for the place where the repository will be published.
// Until then, Go cannot download the module. A program uses a checkout:
//
//	import procconnector "example.org/proc_connector/bindings/go"
//
// A workspace makes the go command find the checkout. In the program's folder:
//
//	go work init . ../proc_connector/bindings/go
//
// If the program must build without a workspace, name the checkout in its go.mod instead:
//
//	go mod edit -replace example.org/proc_connector/bindings/go=../proc_connector/bindings/go
//	go get example.org/proc_connector/bindings/go
//
// # Goroutines
//
// Every method may be called by any goroutine at any time. One goroutine at a time receives; others
// wait for their turn. Recv and Next wait in Go's poller: no thread is held meanwhile, and they end
// with their context, or with [os.ErrClosed] when another goroutine closes.
//
// # Loss and recovery
//
// When events are lost, the stream has a [KindOverrun] with their number; in a flood, many of them.
// A Table recovers by itself, and [Table.Synced] tells whether it has. A program that keeps a picture of its own marks it as doubtful at each
// overrun. When [Connector.TryRecv] returns 0 and the picture is doubtful, it reads /proc anew, leaves
// out what [Alive] says has ended, and takes the mark away. Since a flood may not let TryRecv return 0,
// it also reads /proc some 100 ms after the mark was made, and every 100 ms from then on; but then
// the mark stays, because events from before the loss may still be queued.
//
// Anybody can make the kernel report to nobody (from Linux 6.6 on). A daemon calls Check from a
// ticker: it notices and repairs that, and an overrun tells.
//
// # Handing over, and tests without privilege
//
// A program that must not miss an event across its restart passes its socket to its successor:
// [Connector.Release] and [Adopt], or [Table.Release] and [AdoptTable]. Release returns a file that belongs to
// the caller. Adopt and AdoptTable work on a duplicate, so the caller closes the file afterwards.
//
// Adopt and AdoptTable also take an AF_UNIX socket through which a test sends made-up events. A table then
// reads made-up processes from the directory [TableOptions].Proc. Neither needs root, nor a kernel that
// reports events.
//
// # Privilege and containers
//
// Before Linux 6.6, opening needs CAP_NET_ADMIN. The kernel reports to the initial network, PID and
// user namespaces only, with times of the initial time namespace: docker run --net=host --pid=host --userns=host; Kubernetes: hostNetwork:
// true, hostPID: true. All ids are those of the initial PID namespace. Without CAP_NET_ADMIN the queue
// is limited by the sysctl net.core.rmem_max: raise that.
package procconnector
