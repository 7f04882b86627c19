/* Takes over the terminal's screen and keys, and restores both for Ctrl-Z and before exiting. */
#include "pcwatch.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

struct screen screen;
static bool entered, has_keys;
static struct termios cooked;

static void measure(void)
{
	struct winsize window = { 0 };
	ioctl(STDOUT_FILENO, TIOCGWINSZ, &window);
	screen.rows = window.ws_row ? window.ws_row : 24;
	screen.columns = window.ws_col ? window.ws_col : 80;
	screen.changed = true;
}

void screen_enter(void)
{
	if (entered)
		return;
	entered = true;
	has_keys = tcgetattr(STDIN_FILENO, &cooked) == 0;
	struct termios raw = cooked;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	if (has_keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	fputs("\033[?1049h\033[?25l\033[H\033[2J", stdout);
	measure();
}

void screen_leave(void)
{
	if (!entered)
		return;
	entered = false;
	fputs("\033[m\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	if (has_keys)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
}

bool screen_keys(void)
{
	static const struct {
		const char *keys;
		int rows, pages;
	} KEYS[] = {
		{ "\033[A", -1, 0 },  { "\033OA", -1, 0 }, { "k", -1, 0 },	  { "\033[B", 1, 0 },
		{ "\033OB", 1, 0 },   { "j", 1, 0 },	   { "\033[5~", 0, -1 }, { "b", 0, -1 },
		{ "\033[6~", 0, 1 },  { " ", 0, 1 },	   { "\033[H", 0, -9999 }, { "g", 0, -9999 },
		{ "\033[F", 0, 9999 }, { "G", 0, 9999 },
	};
	char typed[64];
	ssize_t length = read(STDIN_FILENO, typed, sizeof(typed));
	if (length <= 0) /* the terminal is gone */
		return false;
	bool stay = true;
	screen.changed = true;
	for (size_t at = 0, size; at < (size_t)length; at += size) {
		size = 1;
		if (typed[at] == 'q')
			stay = false;
		for (size_t i = 0; i < sizeof(KEYS) / sizeof(*KEYS); i++) {
			size_t key = strlen(KEYS[i].keys);
			if ((size_t)length - at < key || memcmp(typed + at, KEYS[i].keys, key) != 0)
				continue;
			screen.scroll += KEYS[i].rows + KEYS[i].pages * (long)(screen.rows - 2);
			size = key;
		}
	}
	return stay;
}

/* Handles SIGWINCH, and SIGTSTP and SIGCONT of job control. */
void screen_signal(int number)
{
	sigset_t stop_signal;
	if (number == SIGWINCH) {
		measure();
		return;
	}
	/* After a SIGSTOP, the shell has changed the terminal: set it up again. */
	screen_leave();
	if (number == SIGTSTP) {
		sigemptyset(&stop_signal);
		sigaddset(&stop_signal, SIGTSTP);
		raise(SIGTSTP);
		sigprocmask(SIG_UNBLOCK, &stop_signal, NULL); /* pcwatch stops here */
		sigprocmask(SIG_BLOCK, &stop_signal, NULL);
	}
	screen_enter();
}
