// SPDX-License-Identifier: MIT
#include "daemon/privsep/privileges.h"

#include <cap-ng.h>
#include <grp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <utility>
#include <vector>

namespace xk::privsep {
namespace {

// CAP_PERFMON spares the filter the verifier's hardening against Spectre, which makes it 1.5 to 2 times slower.
constexpr capng_type_t kBoth = static_cast<capng_type_t>(CAPNG_EFFECTIVE | CAPNG_PERMITTED);
constexpr unsigned kKept[] = {CAP_NET_ADMIN, CAP_BPF, CAP_PERFMON};
constexpr unsigned kOfDispatcher[] = {CAP_SYS_ADMIN, CAP_DAC_OVERRIDE};

Result<void> read_capabilities() {
    if (capng_get_caps_process() != 0)
        return os_error("reading our capabilities");
    return {};
}

// Nobody may read the keys from a core dump or by ptrace(2), and no setuid program may lead back to root.
Result<void> forbid_inspection() {
    // PR_SET_DUMPABLE 0 forbids ptrace(2) too, and gives /proc/PID to root.
    const rlimit none{0, 0};
    if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return os_error("forbidding core dumps");
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return os_error("giving up new privileges");
    return {};
}

// Needs CAP_SETUID and CAP_SETGID.
Result<void> change_user(uid_t uid, gid_t gid) {
    if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0 || ::setresuid(uid, uid, uid) != 0)
        return os_error("becoming user " + std::to_string(uid), "start xknockd as root, or by its systemd unit");
    return {};
}

// Keeps the capabilities that capng was given and drops all others. The kernel drops a unit's ambient ones when they
// are no longer inheritable (capabilities(7)); the explicit call does not depend on that.
Result<void> drop_others() {
    if (capng_apply(CAPNG_SELECT_CAPS) != 0 || ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0)
        return os_error("dropping capabilities");
    return forbid_inspection();
}

} // namespace

Result<void> check_capabilities() {
    if (::prctl(PR_CAPBSET_READ, CAP_BPF, 0, 0, 0) < 0) // CAP_BPF came with Linux 5.8
        return Error{"this kernel is too old: it does not know CAP_BPF", "xknockd needs Linux 5.10 or later"};
    if (auto known = read_capabilities(); !known)
        return known;
    std::string missing;
    for (const unsigned capability : {0u + CAP_NET_ADMIN, 0u + CAP_BPF})
        if (!capng_have_capability(CAPNG_PERMITTED, capability))
            missing +=
                std::string(missing.empty() ? "" : " and ") + (capability == CAP_BPF ? "CAP_BPF" : "CAP_NET_ADMIN");
    if (missing.empty())
        return {};
    return Error{"the process lacks " + missing, "start xknockd as root, or by its systemd unit"};
}

Result<void> keep_capabilities(uid_t uid, gid_t gid, bool dispatcher) {
    if (auto known = read_capabilities(); !known)
        return known;
    const bool may_drop_bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    std::vector<std::pair<unsigned, capng_type_t>> kept;
    for (const unsigned capability : kKept)
        if (capng_have_capability(CAPNG_PERMITTED, capability))
            kept.emplace_back(capability, kBoth);
    for (const unsigned capability : kOfDispatcher)
        if (dispatcher && capng_have_capability(CAPNG_PERMITTED, capability))
            kept.emplace_back(capability, CAPNG_PERMITTED);
    if (::geteuid() != uid) {
        // Permitted capabilities survive the change of user; drop_others() cuts them down right after it.
        if (::prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
            return os_error("keeping capabilities");
        if (may_drop_bounds) {
            capng_clear(CAPNG_SELECT_BOUNDS);
            if (capng_apply(CAPNG_SELECT_BOUNDS) != 0)
                return os_error("clearing the bounding set");
        }
        if (auto done = change_user(uid, gid); !done)
            return done;
    }
    capng_clear(CAPNG_SELECT_BOTH);
    for (const auto& [capability, type] : kept)
        capng_update(CAPNG_ADD, type, capability);
    return drop_others();
}

Result<void> drop_dispatcher_capabilities() {
    if (auto known = read_capabilities(); !known)
        return known;
    for (const unsigned capability : kOfDispatcher)
        capng_update(CAPNG_DROP, kBoth, capability);
    if (capng_apply(CAPNG_SELECT_CAPS) != 0)
        return os_error("dropping capabilities");
    return {};
}

Result<void> become_nobody(uid_t uid, gid_t gid) {
    if (auto known = read_capabilities(); !known)
        return known;
    const bool may_drop_bounds = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    capng_clear(CAPNG_SELECT_BOTH);
    if (may_drop_bounds && capng_apply(CAPNG_SELECT_BOUNDS) != 0)
        return os_error("clearing the bounding set");
    if (auto done = change_user(uid, gid); !done)
        return done;
    return drop_others();
}

} // namespace xk::privsep
