// SPDX-License-Identifier: MIT
//
// Finds the user at the other end of the control socket. Only the kernel is trusted for this (unix(7): SO_PEERCRED,
// SO_PEERGROUPS).
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

// The process at the time of its connect(2). If it passes its socket on, it is responsible for the other process.
struct Peer {
    Role role = Role::none;
    uid_t uid = static_cast<uid_t>(-1);
    pid_t pid = 0; // 0: its PID namespace is hidden from this process
    // The user who logged in, even if sudo(8) or su(1) changed the user since. It is for the log and never for a
    // decision: the kernel may not keep it, /proc may hide it, and another process may have got the pid meanwhile.
    std::optional<uid_t> login_uid;
    // The names of uid and login_uid of an admin, likewise for the log. Empty where /etc/passwd does not have them.
    std::string name = {}, login_name = {};
};

// root and the daemon's own user are admins. Where the kernel gives no answer the role is none.
Peer find_peer(int fd, const Groups& groups);

// The name that passwd(5) has for the user; empty: none. It reads /etc/passwd alone, because a name service may wait
// for the network, and the daemon's loop must not.
std::string find_user_name(uid_t uid, const char* passwd_file = "/etc/passwd");

// Parses /proc/PID/loginuid (Linux 2.6.11). Returns nothing where the text is no uid, or is 4294967295, which means
// that no user logged in.
std::optional<uid_t> parse_login_uid(const std::string& text);

} // namespace xk::control
