package procconnector

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTheTextsOfAProcessAreRead(t *testing.T) {
	long := strings.Repeat("0", 10000) + "1000"
	command := exec.Command("sleep", long)
	command.Dir = os.TempDir()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	pid := int32(command.Process.Pid)
	process, life, err := ReadProcess(pid)
	if err != nil || life != Running {
		t.Fatal(life, err)
	}
	texts, err := process.Texts(TextCommandLine, TextDirectory, TextNSPID, TextKind(99))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"sleep\x00" + long + "\x00", os.TempDir(), strconv.Itoa(int(pid))} {
		if texts[i].Err != nil || texts[i].Value != want {
			t.Errorf("text %d is %q, %v, not %q", i, texts[i].Value, texts[i].Err, want)
		}
	}
	if !errors.Is(texts[3].Err, syscall.EINVAL) || texts[3].Value != "" {
		t.Error("a kind that does not exist:", texts[3])
	}
	for _, start := range []time.Duration{process.Start - 10*time.Millisecond, process.Start + 10*time.Millisecond} {
		if _, err := Texts(pid, start, TextCommandLine); !errors.Is(err, syscall.ESRCH) {
			t.Error("another start:", err)
		}
	}
	other := process
	other.PidfdInode = 1 // no process has this inode
	if _, err := other.Texts(TextCommandLine); !errors.Is(err, syscall.ESRCH) {
		t.Error("another inode:", err)
	}
	_ = command.Process.Kill()
	_ = command.Wait()
	if _, err := process.Texts(TextCommandLine); !errors.Is(err, syscall.ESRCH) {
		t.Error("a process that has exited:", err)
	}
	if _, err := Texts(pid, 0); !errors.Is(err, syscall.EINVAL) {
		t.Error("no kinds:", err)
	}
}
