/* Escapes untrusted text, so that no byte of it can harm a terminal or a JSON parser. */
#include "pcwatch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

/*
 * Makes the first character of the text safe for a terminal. A character that the locale cannot
 * print, or that has no width, becomes the escaped values of its bytes, one per call. Returns how
 * many bytes of the text this call has handled.
 */
static size_t escape(const char *text, size_t length, bool quoted, char *safe, size_t *columns)
{
	bool special = *text == '\\' || (quoted && *text == '"');
	if (*text >= ' ' && *text < '\x7f' && !special) { /* nearly every character, sooner */
		safe[0] = *text;
		safe[1] = '\0';
		*columns = 1;
		return 1;
	}
	wchar_t wide;
	mbstate_t state = { 0 };
	size_t size = mbrtowc(&wide, text, length, &state);
	if (size - 1 < length && !special && iswprint((wint_t)wide) && wcwidth(wide) > 0) {
		memcpy(safe, text, size);
		safe[size] = '\0';
		*columns = (size_t)wcwidth(wide);
		return size;
	}
	switch (*text) {
	case '\n': strcpy(safe, "\\n"); break;
	case '\t': strcpy(safe, "\\t"); break;
	default: snprintf(safe, 5, special ? "\\%c" : "\\x%02x", (unsigned char)*text); break;
	}
	*columns = strlen(safe);
	return 1;
}

void line_begin(struct line *line, size_t max_columns)
{
	*line->text = '\0';
	line->columns = line->end = line->cut = 0;
	line->max_columns = max_columns < MAX_COLUMNS ? max_columns : MAX_COLUMNS;
	line->full = false;
}

/* Adds text until the line is full. A line that cannot hold all of the text ends with an ellipsis. */
static void add(struct line *line, const char *text, size_t length, bool quoted)
{
	const char *ellipsis = MB_CUR_MAX > 1 ? "…" : "...";
	size_t reserve = MB_CUR_MAX > 1 ? 1 : 3, columns;
	for (size_t size; length && !line->full; text += size, length -= size) {
		size = escape(text, length, quoted, line->text + line->end, &columns);
		line->columns += columns;
		if (line->columns > line->max_columns) {
			strcpy(line->text + line->cut, line->max_columns < reserve ? "" : ellipsis);
			line->columns = line->max_columns;
			line->full = true;
			return;
		}
		line->end += strlen(line->text + line->end);
		if (line->columns + reserve <= line->max_columns)
			line->cut = line->end;
	}
}

void line_add(struct line *line, const char *text, size_t length)
{
	add(line, text, length, false);
}

void line_add_name(struct line *line, const char *name)
{
	bool quoted = strpbrk(name, " \"()");
	add(line, "\"", quoted, false);
	add(line, name, strlen(name), quoted);
	add(line, "\"", quoted, false);
}

void line_add_argument(struct line *line, const char *argument, size_t length)
{
	bool quoted = !length || memchr(argument, ' ', length) || memchr(argument, '"', length);
	add(line, "\"", quoted, false);
	add(line, argument, length, quoted);
	add(line, "\"", quoted, false);
}

/* Returns the size of the UTF-8 character at the start of the text, or 0 if the bytes are invalid. */
static size_t utf8_size(const char *text, size_t length)
{
	unsigned char c[4] = { 0 };
	memcpy(c, text, length < 4 ? length : 4);
	size_t size = c[0] < 0x80 ? 1 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < size; i++)
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	bool overlong = (size == 2 && c[0] < 0xc2) || (c[0] == 0xe0 && c[1] < 0xa0) ||
			(c[0] == 0xf0 && c[1] < 0x90);
	bool beyond = (c[0] == 0xed && c[1] > 0x9f) || (c[0] == 0xf4 && c[1] > 0x8f) || c[0] > 0xf4;
	return overlong || beyond ? 0 : size;
}

/* Returns false if the text has bytes that are not UTF-8. Each of them becomes U+FFFD. */
bool json_string(const char *text, size_t length)
{
	bool complete = true;
	putc('"', out);
	for (size_t size; length; text += size, length -= size) {
		size = utf8_size(text, length);
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < 0x20 || *text == 0x7f)
			fprintf(out, "\\u%04x", *text);
		else if (*text == '\xc2' && size && text[1] < '\xa0')
			fprintf(out, "\\u%04x", (unsigned char)text[1]); /* U+0080 to U+009F are control characters */
		else if (size)
			fwrite(text, 1, size, out);
		else
			fputs("\\ufffd", out);
		complete &= size > 0;
		size += !size;
	}
	putc('"', out);
	return complete;
}

/*
 * A label of Prometheus, in quotes. Its text must be UTF-8, and two names must not become one: so a byte that is not
 * UTF-8 becomes \\xff, and a backslash two, before the quoting of the format doubles each backslash.
 */
void label(FILE *file, const char *name)
{
	putc('"', file);
	for (size_t size, length = strlen(name); length; name += size, length -= size) {
		size = utf8_size(name, length);
		if (!size)
			fprintf(file, "\\\\x%02x", (unsigned char)*name);
		else if (*name == '\\')
			fputs("\\\\\\\\", file);
		else if (*name == '\n')
			fputs("\\n", file);
		else if (*name == '"')
			fputs("\\\"", file);
		else
			fwrite(name, 1, size, file);
		size += !size;
	}
	putc('"', file);
}

/* RFC 4648, section 4. */
void json_base64(const char *bytes, size_t length)
{
	static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	putc('"', out);
	for (size_t at = 0; at < length; at += 3) {
		unsigned char three[3] = { 0 };
		size_t count = length - at < 3 ? length - at : 3;
		memcpy(three, bytes + at, count);
		unsigned bits = (unsigned)three[0] << 16 | (unsigned)three[1] << 8 | three[2];
		for (size_t digit = 0; digit < 4; digit++)
			putc(digit <= count ? DIGITS[bits >> (18 - 6 * digit) & 63] : '=', out);
	}
	putc('"', out);
}
