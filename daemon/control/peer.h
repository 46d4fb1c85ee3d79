// SPDX-License-Identifier: MIT
//
// Who is at the other end of the control socket, by the kernel's word alone (unix(7): SO_PEERCRED, SO_PEERGROUPS).
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace xk::control {

enum class Role { none, reader, admin };

struct Groups {
    std::optional<gid_t> admin;
    std::optional<gid_t> reader;
};

// The process as it was when it connected. A process that hands its socket on to another one answers for it.
struct Peer {
    Role role = Role::none;
    uid_t uid = static_cast<uid_t>(-1);
    pid_t pid = 0; // 0: in a process namespace that we cannot see into
    // Who logged in, whatever sudo(8) or su(1) made of them since. For the log and never for a decision: the kernel may
    // not keep it, /proc may hide it, and between two calls another process may have the number.
    std::optional<uid_t> login_uid;
};

// Role of the process at the other end: root and our own user are admins.
Peer find_peer(int fd, const Groups& groups);

// What is in /proc/PID/loginuid (proc_pid_loginuid in Linux 2.6.11 and later); nothing where it names nobody.
std::optional<uid_t> parse_login_uid(const std::string& text);

} // namespace xk::control
