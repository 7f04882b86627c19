/*
 * The header of version 0.1, without comments: tests/abi.sh compiles a program with it. It never changes.
 */
#ifndef PROC_CONNECTOR_H
#define PROC_CONNECTOR_H 
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#ifdef __cplusplus
extern "C" {
#endif
#define PC_VERSION_MAJOR 0u
#define PC_VERSION_MINOR 1u
#define PC_VERSION_PATCH 0u
#define PC_VERSION (((PC_VERSION_MAJOR << 16) | (PC_VERSION_MINOR << 8)) | PC_VERSION_PATCH)
uint32_t pc_version(void);
const char *pc_strerror(int error);
enum pc_event_kind {
    PC_EVENT_FORK = 1,
    PC_EVENT_EXEC = 2,
    PC_EVENT_EXIT = 3,
    PC_EVENT_UID = 4,
    PC_EVENT_GID = 5,
    PC_EVENT_SID = 6,
    PC_EVENT_PTRACE = 7,
    PC_EVENT_COMM = 8,
    PC_EVENT_COREDUMP = 9,
    PC_EVENT_OVERRUN = 10,
    PC_EVENT_UNKNOWN = 11,
};
enum pc_lost_reason {
    PC_LOST_QUEUE = 1,
    PC_LOST_DEAF = 2,
};
struct pc_event_fork {
    pid_t parent_pid;
    pid_t parent_tgid;
    pid_t child_pid;
    pid_t child_tgid;
};
struct pc_event_exec {
    pid_t pid;
    pid_t tgid;
};
struct pc_event_exit {
    pid_t pid;
    pid_t tgid;
    int32_t exit_code;
    int32_t exit_signal;
    pid_t parent_pid;
    pid_t parent_tgid;
};
struct pc_event_uid {
    pid_t pid;
    pid_t tgid;
    uid_t ruid;
    uid_t euid;
};
struct pc_event_gid {
    pid_t pid;
    pid_t tgid;
    gid_t rgid;
    gid_t egid;
};
struct pc_event_sid {
    pid_t pid;
    pid_t tgid;
};
struct pc_event_ptrace {
    pid_t pid;
    pid_t tgid;
    pid_t tracer_pid;
    pid_t tracer_tgid;
};
struct pc_event_comm {
    pid_t pid;
    pid_t tgid;
    char comm[16];
};
struct pc_event_coredump {
    pid_t pid;
    pid_t tgid;
    pid_t parent_pid;
    pid_t parent_tgid;
};
struct pc_event_overrun {
    uint64_t lost;
    uint64_t since_ns;
    uint32_t reason;
    uint32_t reserved;
};
struct pc_event_unknown {
    uint32_t what;
    uint32_t size;
    uint8_t raw[32];
};
union pc_event_data {
    struct pc_event_fork fork;
    struct pc_event_exec exec;
    struct pc_event_exit exit;
    struct pc_event_uid uid;
    struct pc_event_gid gid;
    struct pc_event_sid sid;
    struct pc_event_ptrace ptrace;
    struct pc_event_comm comm;
    struct pc_event_coredump coredump;
    struct pc_event_overrun overrun;
    struct pc_event_unknown unknown;
};
struct pc_event {
    uint32_t kind;
    uint32_t cpu;
    uint64_t timestamp_ns;
    uint32_t seq;
    uint32_t reserved;
    union pc_event_data data;
};
pid_t pc_event_tgid(const struct pc_event *event);
const char *pc_event_name(uint32_t kind);
int pc_event_format(const struct pc_event *event, char *buffer, size_t size);
int pc_parse(const void *datagram, size_t size, struct pc_event *event);
struct pc_connector;
#define PC_MASK_FORK (1u << 1)
#define PC_MASK_EXEC (1u << 2)
#define PC_MASK_EXIT (1u << 3)
#define PC_MASK_UID (1u << 4)
#define PC_MASK_GID (1u << 5)
#define PC_MASK_SID (1u << 6)
#define PC_MASK_PTRACE (1u << 7)
#define PC_MASK_COMM (1u << 8)
#define PC_MASK_COREDUMP (1u << 9)
#define PC_MASK_UNKNOWN (1u << 11)
#define PC_MASK_ALL ((1u << 10) - 2u)
#define PC_FILTER_NO_THREADS (1u << 0)
#define PC_FILTER_NONZERO_EXIT (1u << 1)
#define PC_OPEN_SUBSCRIBED (1u << 16)
struct pc_options {
    size_t size;
    uint32_t events;
    uint32_t flags;
    uint32_t rcvbuf_bytes;
    uint32_t reserved;
};
#define PC_OPTIONS_INIT { sizeof(struct pc_options), 0, 0, 0, 0 }
int pc_open(struct pc_connector **out, const struct pc_options *options);
int pc_open_fd(struct pc_connector **out, int fd, const struct pc_options *options);
int pc_fd(const struct pc_connector *pc);
int pc_recv(struct pc_connector *pc, struct pc_event *event, int timeout_ms);
int pc_recv_many(struct pc_connector *pc, struct pc_event *events, size_t count, int timeout_ms);
int pc_set_filter(struct pc_connector *pc, const struct pc_options *filter);
int pc_subscribe(struct pc_connector *pc);
int pc_unsubscribe(struct pc_connector *pc);
int pc_check(struct pc_connector *pc);
int pc_interrupt(struct pc_connector *pc);
struct pc_stats {
    uint64_t received;
    uint64_t filtered;
    uint64_t lost;
    uint64_t foreign;
    uint64_t malformed;
    uint64_t repaired;
    uint32_t rcvbuf_bytes;
    uint32_t reserved;
    uint64_t reserved2[2];
};
int pc_get_stats(const struct pc_connector *pc, struct pc_stats *stats, size_t size);
void pc_close(struct pc_connector *pc);
int pc_release(struct pc_connector *pc);
struct pc_table;
#define PC_FIELD_PARENT (1u << 0)
#define PC_FIELD_START (1u << 1)
#define PC_FIELD_SESSION (1u << 2)
#define PC_FIELD_COMM (1u << 3)
#define PC_FIELD_CREDENTIALS (1u << 4)
struct pc_table_options {
    size_t size;
    uint32_t fields;
    uint32_t flags;
    uint32_t rcvbuf_bytes;
    uint32_t max_work;
};
#define PC_TABLE_OPTIONS_INIT { sizeof(struct pc_table_options), 0, 0, 0, 0 }
int pc_table_open(struct pc_table **out, const struct pc_table_options *options);
int pc_table_fd(const struct pc_table *table);
#define PC_PROCESS_KERNEL_THREAD (1u << 0)
#define PC_PROCESS_LEADER_GONE (1u << 1)
struct pc_process {
    uint64_t id;
    uint64_t parent_id;
    uint64_t start_boottime_ns;
    uint64_t user;
    pid_t pid;
    pid_t parent_pid;
    pid_t session;
    uint32_t valid;
    uid_t ruid;
    uid_t euid;
    gid_t rgid;
    gid_t egid;
    char comm[16];
    uint32_t state;
    uint32_t reserved;
    uint64_t reserved2[3];
};
enum pc_change_kind {
    PC_CHANGE_FOUND = 1,
    PC_CHANGE_STARTED = 2,
    PC_CHANGE_EXECED = 3,
    PC_CHANGE_RENAMED = 4,
    PC_CHANGE_CREDENTIALS = 5,
    PC_CHANGE_SESSION = 6,
    PC_CHANGE_REPARENTED = 7,
    PC_CHANGE_EXITED = 8,
    PC_CHANGE_VANISHED = 9,
    PC_CHANGE_SYNCED = 10,
};
#define PC_CHANGE_RECOVERED (1u << 0)
#define PC_CHANGE_EXIT_CODE (1u << 1)
#define PC_CHANGE_DEAF (1u << 2)
#define PC_CHANGE_LEADER_CODE (1u << 3)
struct pc_change {
    uint32_t kind;
    uint32_t flags;
    uint64_t timestamp_ns;
    uint64_t lost;
    uint64_t since_ns;
    int32_t exit_code;
    uint32_t reserved;
    uint64_t reserved2[2];
    struct pc_process process;
};
int pc_table_next(struct pc_table *table, struct pc_change *change, int timeout_ms);
int pc_table_get(const struct pc_table *table, pid_t pid, struct pc_process *process);
int pc_table_each(const struct pc_table *table, uint64_t *cursor, struct pc_process *process);
int pc_table_set_user(struct pc_table *table, pid_t pid, uint64_t user);
size_t pc_table_count(const struct pc_table *table);
int pc_table_check(struct pc_table *table);
int pc_table_rescan(struct pc_table *table);
int pc_table_get_stats(const struct pc_table *table, struct pc_stats *stats, size_t size);
int pc_table_interrupt(struct pc_table *table);
void pc_table_close(struct pc_table *table);
int pc_process_alive(pid_t tgid);
int pc_process_read(pid_t pid, struct pc_process *process);
#ifdef __cplusplus
}
#endif
#endif
