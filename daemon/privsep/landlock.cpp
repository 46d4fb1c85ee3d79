// SPDX-License-Identifier: MIT
#include "daemon/privsep/landlock.h"

#include "protocol/base/fd.h"

#include <linux/landlock.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace xk::privsep {
namespace {

// Debian 12's header is that of Linux 6.1, so later rights have their numbers here.
constexpr std::uint64_t kTruncate = 1 << 14, kIoctlDevice = 1 << 15;
constexpr std::uint64_t kBindTcp = 1 << 0, kConnectTcp = 1 << 1;
constexpr std::uint64_t kAbstractSocket = 1 << 0, kSignal = 1 << 1;

struct Right {
    int since; // version
    std::uint64_t LandlockRights::*kind;
    std::uint64_t bit;
};
constexpr auto kFiles = &LandlockRights::files;
constexpr auto kNetwork = &LandlockRights::network;
constexpr auto kScopes = &LandlockRights::scopes;
constexpr Right kRights[] = {
    {1, kFiles, LANDLOCK_ACCESS_FS_EXECUTE}, // Linux 5.13
    {1, kFiles, LANDLOCK_ACCESS_FS_WRITE_FILE},
    {1, kFiles, LANDLOCK_ACCESS_FS_READ_FILE},
    {1, kFiles, LANDLOCK_ACCESS_FS_READ_DIR},
    {1, kFiles, LANDLOCK_ACCESS_FS_REMOVE_DIR},
    {1, kFiles, LANDLOCK_ACCESS_FS_REMOVE_FILE},
    {1, kFiles, LANDLOCK_ACCESS_FS_MAKE_CHAR},
    {1, kFiles, LANDLOCK_ACCESS_FS_MAKE_DIR},
    {1, kFiles, LANDLOCK_ACCESS_FS_MAKE_REG},
    {1, kFiles, LANDLOCK_ACCESS_FS_MAKE_SOCK},
    {1, kFiles, LANDLOCK_ACCESS_FS_MAKE_FIFO},
    {1, kFiles, LANDLOCK_ACCESS_FS_MAKE_BLOCK},
    {1, kFiles, LANDLOCK_ACCESS_FS_MAKE_SYM},
    {2, kFiles, LANDLOCK_ACCESS_FS_REFER}, // 5.19
    {3, kFiles, kTruncate},                // 6.2
    {4, kNetwork, kBindTcp},               // 6.7
    {4, kNetwork, kConnectTcp},
    {5, kFiles, kIoctlDevice},     // 6.10
    {6, kScopes, kAbstractSocket}, // 6.12
    {6, kScopes, kSignal},
};

// The kernel copies as much of this as it knows, and accepts the rest where it is zero.
struct RulesetAttributes {
    std::uint64_t files, network, scopes;
};

} // namespace

int landlock_version() {
    const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
    return version < 0 ? 0 : static_cast<int>(version);
}

LandlockRights landlock_rights(int version) {
    LandlockRights rights;
    for (const Right& right : kRights)
        if (right.since <= version)
            rights.*right.kind |= right.bit;
    return rights;
}

Result<void> drop_landlock_rights(const LandlockRights& rights) {
    if (rights == LandlockRights{}) // the kernel refuses an empty ruleset (ENOMSG)
        return {};
    const RulesetAttributes attributes{rights.files, rights.network, rights.scopes};
    const Fd ruleset(static_cast<int>(::syscall(SYS_landlock_create_ruleset, &attributes, sizeof attributes, 0)));
    if (!ruleset || ::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
        return os_error("giving up files, TCP and other processes (Landlock)");
    return {};
}

} // namespace xk::privsep
