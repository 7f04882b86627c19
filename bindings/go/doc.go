// SPDX-License-Identifier: MIT OR Apache-2.0

// Package procconnector reports every fork, exec, exit, id change, ptrace, rename and core dump on
// this machine, through Linux's Process Event Connector. When the kernel discards events, the
// stream reports how many. If events cannot arrive, the package returns an error that says what to
// do.
//
// A [Connector] delivers the events. A [Table] lists all processes, follows them, and recovers from
// losses by itself. To know which processes exist, choose the Table.
//
// # Linking
//
// The package calls the C library proc_connector through cgo. pkg-config must find the library. If
// the library is not in a folder where pkg-config and the linker look, set PKG_CONFIG_PATH, and at
// run time LD_LIBRARY_PATH. To write the library's folder into the program instead of setting
// LD_LIBRARY_PATH:
//
//	CGO_LDFLAGS=-Wl,-rpath,/opt/proc_connector/lib go build
//
// With the build tag "static", the whole program is linked statically.
//
// # Module path
//
// The "example.org" in the module's path stands for the place where the repository will be
// published. Until then, Go cannot download the module, and a program uses a checkout:
//
//	import procconnector "example.org/proc_connector/bindings/go"
//
// With a workspace, the go command finds the checkout. In the program's folder:
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
// Any goroutine may call any method at any time. One goroutine at a time receives, and others wait
// for their turn. Recv and Next wait in Go's poller, which occupies no thread. They return when
// their context ends, or with [os.ErrClosed] when another goroutine calls Close.
//
// # Loss and recovery
//
// When events are lost, a [KindOverrun] in the stream reports how many. In a flood there are many
// overruns, each for a few events: add the numbers up. A Table recovers by itself, and
// [Table.Synced] returns whether it has recovered.
//
// A program that keeps its own picture of all processes marks it as doubtful at each overrun. When
// [Connector.TryRecv] returns 0 and the picture is doubtful, the program reads /proc again, leaves
// out the processes for which [Alive] returns [Ended], and removes the mark. In a flood, TryRecv
// may not return 0 for a long time. So the program also reads /proc 100 ms after it set the mark,
// and every 100 ms from then on. These readings leave the mark in place, because events from before
// the loss may still be queued.
//
// From Linux 6.6 on, any process can make the kernel deaf: the kernel then reports to no listener.
// A daemon calls Check from a ticker. Check detects and repairs a deafness, and an overrun in the
// stream reports it. If several programs check, only the first one learns of a deafness. So a
// daemon beside other such programs also reads /proc about once a minute: with a Table, it calls
// [Table.Rescan].
//
// # Jobs
//
// To wait until a command and everything that it started are gone, open a Table with
// [TableOptions].Family before the command runs: the example of [Table.Len] starts the command
// behind a gate. Each Table receives the events of the whole machine. For more than about ten jobs
// at a time, use one Table of all processes, and pass a job's number from each process to its
// children: the example of [Table.SetUser].
//
// # Handing over, and tests without privilege
//
// A program that must not miss an event across its restart passes its socket to its successor:
// [Connector.Release] and [Adopt], or [Table.Release] and [AdoptTable]. Release returns a file that
// belongs to the caller. Adopt and AdoptTable work on a duplicate, so the caller closes the file
// afterwards.
//
// Adopt and AdoptTable also take an AF_UNIX socket through which a test sends made-up events. A
// table then reads made-up processes from the directory [TableOptions].Proc. Such a test needs
// neither root nor a kernel that reports events.
//
// # Privilege and containers
//
// Before Linux 6.6, opening needs CAP_NET_ADMIN. From 6.6 on, opening needs no privilege. But
// without CAP_NET_ADMIN, the sysctl net.core.rmem_max limits the queue: raise this sysctl.
//
// The kernel reports to the initial network, PID and user namespaces only, with times of the
// initial time namespace. A container needs docker run --net=host --pid=host --userns=host or, in
// Kubernetes, hostNetwork: true and hostPID: true. All ids are those of the initial PID namespace.
package procconnector
