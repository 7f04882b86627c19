/*
 * pcwatch-nats: publishes the lines of `pcwatch --json --host` to NATS JetStream. It reads them from stdin.
 *
 *	cc -O2 pcwatch-nats.c -o pcwatch-nats $(pkg-config --cflags --libs libnats)
 *	pcwatch --json --host --drop | pcwatch-nats --server tls://nats.example.org
 *
 * Each message has the id BOOT_ID-RUN-LINE, so the server drops duplicates. pcwatch-nats sends a line again until the
 * server acknowledges it. Meanwhile, pcwatch-nats reads no further, and pcwatch --drop keeps or counts the lines. A line
 * in an unexpected form has no id, and its subject is pcwatch.invalid.
 *
 * `pcwatch-nats --take NAME` prints the lines of all machines. The server remembers under NAME which lines were printed.
 * With --once, it ends after the lines that the server had when it started.
 */
#include <errno.h>
#include <getopt.h>
#include <nats/nats.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define STREAM "PCWATCH"
#define PREFIX "pcwatch"
#define DAY_NS (24LL * 3600 * 1000000000)
enum { BATCH = 500, WAIT_MS = 5000, LONGEST_LINE = 1000000, LONGEST_TOKEN = 64, MOST_SERVERS = 16 };

static natsConnection *connection;
static jsCtx *js;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static natsMsg *failed[BATCH];
static int failed_count;
static unsigned long long acknowledged, duplicates, invalid;

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "pcwatch-nats: %s: %s\n", what, why);
	exit(1);
}

static void check(natsStatus status, const char *what)
{
	natsStatus last;
	if (status == NATS_OK)
		return;
	const char *why = nats_GetLastError(&last), *text = why ? strstr(why, "): ") : NULL;
	/* The text begins with a place in the library's source: "(js.c:1): ". */
	fail(what, last == status && text ? text + 3 : natsStatus_GetText(status));
}

/* Runs in a thread of the client library. This handler owns the message. */
static void take_ack(jsCtx *context, natsMsg *message, jsPubAck *ack, jsPubAckErr *error, void *closure)
{
	static bool reported;
	(void)context;
	(void)closure;
	pthread_mutex_lock(&lock);
	if (error) {
		if (!reported)
			fprintf(stderr, "pcwatch-nats: not acknowledged, trying again: %s\n",
				error->ErrText ? error->ErrText : natsStatus_GetText(error->Err));
		reported = true;
		failed[failed_count++] = message;
	} else {
		acknowledged++;
		duplicates += ack->Duplicate;
		natsMsg_Destroy(message);
	}
	pthread_mutex_unlock(&lock);
}

/* Finds the value of a key. Quotation marks in texts are escaped, so no text looks like a key. */
static const char *value_of(const char *line, const char *key, size_t *length)
{
	const char *at = strstr(line, key);
	if (!at)
		return NULL;
	at += strlen(key);
	*length = strcspn(at, "\",}");
	return at;
}

/* Appends a token to a subject. Replaces each character that may have a special meaning in a subject. Replaces the end of
 * a long text by its hash (FNV-1a), so that the names of machines stay different. */
static void append_token(char *subject, const char *text, size_t length)
{
	char *to = subject + strlen(subject);
	size_t kept = length > LONGEST_TOKEN ? LONGEST_TOKEN - 17 : length;
	unsigned long long hash = 0xcbf29ce484222325;
	*to++ = '.';
	for (size_t i = 0; i < length; i++) {
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
		if (i < kept)
			*to++ = (text[i] >= '0' && text[i] <= '9') || ((text[i] | 32) >= 'a' && (text[i] | 32) <= 'z') ||
						text[i] == '-'
					? text[i]
					: '_';
	}
	*to = '\0';
	if (kept < length)
		sprintf(to, "-%016llx", hash);
}

static natsStatus publish(natsMsg **message, const char *id)
{
	jsPubOptions options;
	natsStatus status;
	jsPubOptions_Init(&options);
	options.MsgId = id;
	/* While the client library reconnects, its buffer may be full. */
	while ((status = js_PublishMsgAsync(js, message, id ? &options : NULL)) == NATS_INSUFFICIENT_BUFFER ||
	       status == NATS_TIMEOUT)
		usleep(100000);
	return status;
}

static void publish_line(const char *line, size_t size)
{
	static const char *const KEYS[] = { "\"boot_id\":\"", "\"run\":\"", "\"line\":", "\"host\":\"", "\"event\":\"" };
	const char *values[5];
	size_t lengths[5];
	char id[256], subject[256] = PREFIX;
	natsMsg *message;
	/* After a power loss, the file may contain a part of a line, or NULs. */
	bool valid = size > 1 && line[0] == '{' && line[size - 1] == '}' && strlen(line) == size;
	for (int i = 0; i < 5 && valid; i++) {
		values[i] = value_of(line, KEYS[i], &lengths[i]);
		valid = values[i] && (i > 2 || lengths[i] <= LONGEST_TOKEN);
	}
	if (valid) {
		snprintf(id, sizeof(id), "%.*s-%.*s-%.*s", (int)lengths[0], values[0], (int)lengths[1], values[1],
			 (int)lengths[2], values[2]);
		append_token(subject, values[3], lengths[3]);
		append_token(subject, values[4], lengths[4]);
	} else {
		if (invalid++ == 0)
			fprintf(stderr, "pcwatch-nats: not a line of pcwatch --json --host: %.200s\n", line);
		strcpy(subject, PREFIX ".invalid");
	}
	check(natsMsg_Create(&message, subject, NULL, line, (int)size), "memory");
	check(publish(&message, valid ? id : NULL), "publish");
}

/* Waits until each line of the batch is acknowledged. Sends the others again, with the same ids. */
static void finish_batch(void)
{
	jsPubOptions options;
	jsPubOptions_Init(&options);
	options.MaxWait = WAIT_MS;
	for (;;) {
		natsMsgList pending = { NULL, 0 };
		natsMsg *again[BATCH];
		natsStatus status = js_PublishAsyncComplete(js, &options);
		if (status == NATS_TIMEOUT && js_PublishAsyncGetPendingList(&pending, js) != NATS_OK)
			pending.Count = 0;
		pthread_mutex_lock(&lock);
		int count = failed_count;
		memcpy(again, failed, (size_t)count * sizeof(*again));
		failed_count = 0;
		pthread_mutex_unlock(&lock);
		if (status == NATS_OK && count == 0)
			break;
		if (status != NATS_OK && status != NATS_TIMEOUT)
			check(status, "publish");
		if (count)
			sleep(1); /* the stream is full, or has no leader */
		for (int i = 0; i < count; i++)
			check(publish(&again[i], NULL), "publish");
		for (int i = 0; i < pending.Count; i++)
			check(publish(&pending.Msgs[i], NULL), "publish");
		natsMsgList_Destroy(&pending);
	}
}

static void publish_all(void)
{
	static char buffer[LONGEST_LINE];
	size_t used = 0;
	ssize_t size;
	while ((size = read(STDIN_FILENO, buffer + used, sizeof(buffer) - 1 - used)) != 0) {
		if (size < 0 && errno != EINTR)
			fail("stdin", strerror(errno));
		used += size > 0 ? (size_t)size : 0;
		char *line = buffer, *end;
		int count = 0;
		while ((end = memchr(line, '\n', used - (size_t)(line - buffer)))) {
			*end = '\0';
			publish_line(line, (size_t)(end - line));
			line = end + 1;
			if (++count == BATCH) {
				finish_batch();
				count = 0;
			}
		}
		finish_batch();
		used -= (size_t)(line - buffer);
		memmove(buffer, line, used);
		if (used == sizeof(buffer) - 1) { /* no line of pcwatch is that long */
			buffer[used] = '\0';
			publish_line(buffer, used);
			used = 0;
		}
	}
	if (used) { /* the last line has no end */
		buffer[used] = '\0';
		publish_line(buffer, used);
		finish_batch();
	}
	fprintf(stderr, "pcwatch-nats: %llu lines, of which the server had %llu already\n", acknowledged, duplicates);
	if (invalid)
		fprintf(stderr, "pcwatch-nats: %llu lines were not lines of pcwatch --json --host\n", invalid);
}

/* Returns whether a request may succeed later: the server is gone, or has just come back. Reports the first failure. */
static bool is_temporary(natsStatus status)
{
	static bool reported;
	const char *why = NULL;
	switch (status) {
	case NATS_TIMEOUT:
	case NATS_NO_RESPONDERS:
	case NATS_CONNECTION_DISCONNECTED:
	case NATS_INSUFFICIENT_BUFFER:
		break;
	default:
		return false;
	}
	natsConnection_GetLastError(connection, &why);
	if (!reported)
		fprintf(stderr, "pcwatch-nats: no answer from the server, trying again: %s\n",
			why && *why ? why : natsStatus_GetText(status));
	reported = true;
	return true;
}

/* Returns the number of the newest message in the stream. */
static uint64_t newest_message(void)
{
	jsStreamInfo *info;
	natsStatus status;
	while ((status = js_GetStreamInfo(&info, js, STREAM, NULL, NULL)) != NATS_OK) {
		if (!is_temporary(status))
			check(status, "the stream " STREAM);
		sleep(1);
	}
	uint64_t newest = info->State.LastSeq;
	jsStreamInfo_Destroy(info);
	return newest;
}

/* Whether a consumer has acknowledged all messages up to this one. Fails if the server no longer has the consumer. */
static bool has_taken_all(const char *name, uint64_t newest)
{
	jsConsumerInfo *info;
	natsStatus status = js_GetConsumerInfo(&info, js, STREAM, name, NULL, NULL);
	if (status != NATS_OK) {
		if (!is_temporary(status))
			check(status, name);
		return false;
	}
	/* A message that has expired is never acknowledged. */
	bool all = info->AckFloor.Stream >= newest || (info->NumPending == 0 && info->NumAckPending == 0);
	jsConsumerInfo_Destroy(info);
	return all;
}

/*
 * The server pushes the messages, and stops when too many are not acknowledged. After a lost connection, the client
 * library subscribes again. (When natsSubscription_Fetch() of libnats 3.4 is called again after a lost connection, it
 * may write more messages into its list than the list has room for.)
 */
static void take(const char *name, bool once)
{
	natsSubscription *subscription;
	natsMsg *messages[BATCH];
	jsSubOptions options;
	natsStatus status;
	jsSubOptions_Init(&options);
	options.Stream = STREAM;
	options.ManualAck = true;
	options.Config.Durable = name;
	while ((status = js_SubscribeSync(&subscription, js, PREFIX ".>", NULL, &options, NULL)) != NATS_OK) {
		if (!is_temporary(status))
			check(status, name);
		sleep(1);
	}
	natsSubscription_SetPendingLimits(subscription, -1, -1); /* the server's limit is enough */
	uint64_t newest = newest_message();
	for (;;) {
		int count = 0;
		status = natsSubscription_NextMsg(&messages[0], subscription, WAIT_MS / 5);
		if (once || status == NATS_TIMEOUT) {
			if (has_taken_all(name, newest) && once)
				break;
			if (status == NATS_TIMEOUT)
				continue;
		}
		check(status, "receive");
		do {
			fwrite(natsMsg_GetData(messages[count]), 1, (size_t)natsMsg_GetDataLength(messages[count]), stdout);
			putchar('\n');
			count++;
		} while (count < BATCH && natsSubscription_NextMsg(&messages[count], subscription, 0) == NATS_OK);
		if (fflush(stdout) != 0)
			fail("stdout", strerror(errno));
		for (int i = 0; i < count; i++) {
			/* Only after the line was written. If the acknowledgement is lost, the server delivers the message again. */
			natsMsg_Ack(messages[i], NULL);
			natsMsg_Destroy(messages[i]);
		}
	}
	natsSubscription_Destroy(subscription);
}

/* Makes the stream if there is none. Tries again until the server answers. */
static void prepare_stream(int days, int window_s)
{
	static const char *subjects[] = { PREFIX ".>" };
	jsStreamConfig config;
	jsErrCode code;
	natsStatus status;
	jsStreamConfig_Init(&config);
	config.Name = STREAM;
	config.Subjects = subjects;
	config.SubjectsLen = 1;
	config.Storage = js_FileStorage;
	config.MaxAge = days * DAY_NS;
	config.Duplicates = window_s * 1000000000LL;
	for (;;) {
		jsStreamInfo *info = NULL;
		status = js_GetStreamInfo(&info, js, STREAM, NULL, &code);
		jsStreamInfo_Destroy(info);
		if (status == NATS_NOT_FOUND) {
			status = js_AddStream(NULL, js, &config, NULL, &code);
			if (status == NATS_ERR && code == JSStreamNameExistErr)
				status = NATS_OK; /* another machine was faster */
		}
		if (status == NATS_OK)
			return;
		if (!is_temporary(status))
			check(status, "the stream " STREAM);
		sleep(1);
	}
}

/* Splits a list of URLs, which it changes, at the commas. Returns how many servers there are. */
static int split(char *list, const char *servers[])
{
	int count = 0;
	for (char *rest, *url = strtok_r(list, ", ", &rest); url; url = strtok_r(NULL, ", ", &rest)) {
		/* The client library accepts other schemes, but does not connect. */
		if (strstr(url, "://") && strncasecmp(url, "nats://", 7) != 0 && strncasecmp(url, "tls://", 6) != 0)
			fail(url, "must begin with nats:// or tls://");
		if (count == MOST_SERVERS)
			fail(url, "too many servers");
		servers[count++] = url;
	}
	return count;
}

/* With this function, natsConnection_Connect() does not wait for the server. So prepare_stream() reports a failure. */
static void ignore(natsConnection *connected, void *closure)
{
	(void)connected;
	(void)closure;
}

int main(int argc, char **argv)
{
	static const struct option OPTIONS[] = {
		{ "server", required_argument, NULL, 's' }, { "ca", required_argument, NULL, 'a' },
		{ "cert", required_argument, NULL, 'c' },   { "key", required_argument, NULL, 'k' },
		{ "name", required_argument, NULL, 'n' },   { "take", required_argument, NULL, 't' },
		{ "once", no_argument, NULL, 'o' },
		{ "days", required_argument, NULL, 'd' },   { "window", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	static char usual[] = "nats://localhost:4222";
	const char *ca = NULL, *cert = NULL, *key = NULL, *name = NULL, *taker = NULL, *servers[MOST_SERVERS];
	char *list = usual;
	int days = 7, window_s = 1800, option;
	bool once = false;
	while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1)
		switch (option) {
		case 's': list = optarg; break;
		case 'a': ca = optarg; break;
		case 'c': cert = optarg; break;
		case 'k': key = optarg; break;
		case 'n': name = optarg; break;
		case 't': taker = optarg; break;
		case 'o': once = true; break;
		case 'd': days = atoi(optarg); break;
		case 'w': window_s = atoi(optarg); break;
		default: optind = argc + 1; break;
		}
	if (optind != argc || days < 1 || window_s < 1) {
		fprintf(stderr, "Usage: pcwatch-nats [--server URL,...] [--ca FILE] [--cert FILE --key FILE] [--name NAME]\n"
				"                    [--days DAYS] [--window SECONDS] [--take NAME [--once]]\n");
		return 2;
	}
	natsOptions *options;
	jsOptions context;
	int count = split(list, servers);
	check(natsOptions_Create(&options), "memory");
	check(natsOptions_SetServers(options, servers, count), "--server");
	natsOptions_SetMaxReconnect(options, -1);
	natsOptions_SetReconnectWait(options, 1000);
	natsOptions_SetPingInterval(options, 5000); /* to notice a connection that was cut */
	natsOptions_SetMaxPingsOut(options, 2);
	natsOptions_SetRetryOnFailedConnect(options, true, ignore, NULL);
	if (ca)
		check(natsOptions_LoadCATrustedCertificates(options, ca), ca);
	if (cert && key)
		check(natsOptions_LoadCertificatesChain(options, cert, key), cert);
	if (name) /* the server's name in its certificate, if the URL has another name */
		check(natsOptions_SetExpectedHostname(options, name), name);
	natsStatus status = natsConnection_Connect(&connection, options);
	if (status != NATS_NOT_YET_CONNECTED)
		check(status, "connect");
	jsOptions_Init(&context);
	context.PublishAsync.AckHandler = take_ack;
	check(natsConnection_JetStream(&js, connection, &context), "JetStream");
	prepare_stream(days, window_s);
	if (taker)
		take(taker, once);
	else
		publish_all();
	jsCtx_Destroy(js);
	natsConnection_Close(connection);
	natsConnection_Destroy(connection);
	natsOptions_Destroy(options);
	nats_Close();
	return 0;
}
