// SPDX-License-Identifier: MIT
#include "daemon/xdp/pins.h"

#include "daemon/xdp/dispatcher.h"
#include "daemon/xdp/links.h"
#include "daemon/xdp/pinned_maps.h"
#include "protocol/base/entries.h"
#include "protocol/base/fd.h"
#include "protocol/base/quote.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

namespace xk::xdp {
namespace {

namespace fs = std::filesystem;

#ifndef BPF_FS_MAGIC
constexpr long BPF_FS_MAGIC = 0xcafe4a11;
#endif

constexpr std::string_view kLink = "link-";
constexpr std::string_view kShare = "share-";
constexpr std::string_view kDryRun = "dry-run";

std::string as_pin(std::string interface) {
    std::ranges::replace(interface, '.', ':');
    return interface;
}

bool has_pin(const std::string& pins, bool (*is_it)(std::string_view)) {
    std::error_code code;
    for (const auto& entry : entries_of(pins, code))
        if (is_it(entry.path().filename().string()))
            return true;
    return false;
}

// The kernel answers for every kind of BPF object, and the types of links and of programs have the same numbers: XDP is
// 6 of both. The descriptor's name tells them apart ("anon_inode:bpf_link"). Without /proc it counts as a link.
bool is_link_descriptor(int fd) {
    std::error_code code;
    const std::string name = fs::read_symlink("/proc/self/fd/" + std::to_string(fd), code);
    return code || name.ends_with("link") || name.ends_with("link]");
}

constexpr std::size_t kLargestGuard = 1 << 20; // bytes, of any release

constexpr mode_t kOthersMayWrite = S_IWGRP | S_IWOTH;

// Pins may belong to root, to this process's user, and to the directory's owner. The owner counts only if nobody else
// could have made it: the directory above belongs to one of the first two, and others cannot write to it. It must
// count, because the unit's directory belongs to the unit's user, and root may start the daemon by hand.
class TrustedOwners {
  public:
    TrustedOwners(const std::string& pins, uid_t owner) : owner_(::geteuid()) {
        struct stat above {};
        // The kernel finds it behind symbolic links and a trailing slash too.
        if (::stat((pins + "/..").c_str(), &above) == 0 && contains(above.st_uid) &&
            (above.st_mode & kOthersMayWrite) == 0)
            owner_ = owner;
    }
    bool contains(uid_t user) const { return user == 0 || user == ::geteuid() || user == owner_; }

  private:
    uid_t owner_;
};

// What cannot be listed is not checked either. A directory that went meanwhile holds nothing.
Result<void> read_to_its_end(const fs::path& directory, const std::error_code& code) {
    if (!code || code == std::errc::no_such_file_or_directory)
        return {};
    return Error{"reading the directory " + in_quotes(directory.string()) + ": " + code.message(), {}};
}

// Checks the pin, which may be a symbolic link, and everything below it.
Result<void> check_owners(const fs::path& path, const TrustedOwners& trusted) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0)
        return {}; // it went meanwhile
    if (!trusted.contains(info.st_uid))
        return Error{in_quotes(path.string()) + " belongs to user " + std::to_string(info.st_uid) +
                         ", who may hold what is pinned there",
                     "find out who made it; then rm -r " + path.string(), Exit::configuration};
    if (!S_ISDIR(info.st_mode))
        return {};
    if ((info.st_mode & kOthersMayWrite) != 0)
        return Error{in_quotes(path.string()) + " can be written by others than its owner",
                     "chmod go-w " + path.string() + ", after a look at what is in it", Exit::configuration};
    std::error_code code;
    for (const auto& entry : entries_of(path, code))
        if (auto ok = check_owners(entry.path(), trusted); !ok)
            return ok;
    return read_to_its_end(path, code);
}

} // namespace

std::string pin_of_link(const std::string& pins, const std::string& interface) {
    return pins + "/" + std::string(kLink) + as_pin(interface);
}

std::string pin_of_share(const std::string& pins, const std::string& interface) {
    return pins + "/" + std::string(kShare) + as_pin(interface);
}

std::string pins_of_dry_run(const std::string& pins) { return pins + "/" + std::string(kDryRun); }

bool is_link(std::string_view entry) { return entry.starts_with(kLink); }
bool is_share(std::string_view entry) { return entry.starts_with(kShare); }
bool is_our_pin(std::string_view entry) {
    return is_link(entry) || is_share(entry) || entry == kDryRun || is_maps_directory(entry);
}

std::string interface_of_pin(const std::string& entry) {
    std::string interface = entry.substr(entry.find('-') + 1);
    std::ranges::replace(interface, ':', '.');
    return interface;
}

bool has_pin_of_link(const std::string& pins) { return has_pin(pins, is_link); }
bool has_pin_of_share(const std::string& pins) { return has_pin(pins, is_share); }

std::error_code make_directory_of_pins(const fs::path& path) {
    std::error_code code;
    if (fs::create_directories(path, code))
        fs::permissions(path, fs::perms::owner_all, code);
    return code;
}

Result<void> check_pin_directory(const std::string& pins) {
    std::error_code code;
    make_directory_of_pins(pins);
    struct statfs file_system {};
    struct stat info {};
    if (::statfs(pins.c_str(), &file_system) != 0 || ::stat(pins.c_str(), &info) != 0)
        return os_error("directory for pins " + in_quotes(pins),
                        "systemd-tmpfiles --create makes it; is the BPF file system mounted? "
                        "mount -t bpf bpf /sys/fs/bpf");
    if (file_system.f_type != BPF_FS_MAGIC)
        return Error{in_quotes(pins) + " is not on a BPF file system", "mount -t bpf bpf /sys/fs/bpf",
                     Exit::configuration};
    const TrustedOwners trusted(pins, info.st_uid);
    if (!trusted.contains(info.st_uid))
        return Error{"the directory for pins " + in_quotes(pins) + " belongs to user " + std::to_string(info.st_uid),
                     "find out who made it; then rm -r " + pins, Exit::configuration};
    if ((info.st_mode & kOthersMayWrite) != 0)
        return Error{"the directory for pins " + in_quotes(pins) + " can be written by others than its owner",
                     "chmod go-w " + pins + ", after a look at what is in it", Exit::configuration};
    for (const auto& entry : entries_of(pins, code))
        if (is_our_pin(entry.path().filename().string()))
            if (auto ok = check_owners(entry.path(), trusted); !ok)
                return ok;
    return read_to_its_end(pins, code);
}

int interface_of_link(const std::string& pin) {
    const Fd link(bpf_obj_get(pin.c_str()));
    bpf_link_info info{};
    __u32 size = sizeof info;
    const bool known = link && is_link_descriptor(link.get()) &&
                       bpf_obj_get_info_by_fd(link.get(), &info, &size) == 0 && info.type == BPF_LINK_TYPE_XDP;
    return known ? static_cast<int>(info.xdp.ifindex) : 0;
}

void rename_pin_of_link(const std::string& pins, int ifindex, const std::string& pin) {
    std::error_code code;
    if (interface_of_link(pin) == ifindex)
        return;
    for (const auto& entry : entries_of(pins, code))
        if (is_link(entry.path().filename().string()) && interface_of_link(entry.path()) == ifindex) {
            // Two interfaces may have exchanged their names. The link that has the name now takes the other one; the
            // descriptor keeps it attached meanwhile.
            const Fd other(bpf_obj_get(pin.c_str()));
            (void)::rename(entry.path().c_str(), pin.c_str());
            (void)bpf_obj_pin(other.get(), entry.path().c_str());
            return;
        }
}

// The link is detached first. Without its last pin it would go too, but only later (after a grace period of RCU, by a
// work queue: bpf_link_put() in kernel/bpf/syscall.c).
void detach_link(const std::string& pin) {
    const Fd link(bpf_obj_get(pin.c_str()));
    (void)bpf_link_detach(link.get());
    ::unlink(pin.c_str());
}

void remove_pin(const fs::path& path) {
    std::error_code code;
    // A symbolic link goes itself: the directory may belong to a user that root must not follow to other files.
    if (fs::is_directory(fs::symlink_status(path, code)))
        for (const auto& entry : entries_of(path, code))
            remove_pin(entry.path());
    else if (is_link(path.filename().string()))
        return detach_link(path);
    fs::remove(path, code);
}

Result<void> remove_share(const fs::path& share) {
    const auto ifindex = index_of_interface(interface_of_pin(share.filename()));
    auto done = ifindex == 0 ? Result<void>() : leave_dispatcher(ifindex);
    if (done)
        ::rmdir(share.c_str());
    return done;
}

void switch_syn_guards_off(const std::string& pins) {
    std::error_code code;
    for (const auto& entry : entries_of(pins, code)) {
        const Fd map(bpf_obj_get((entry.path().string() + "/syn_guard").c_str()));
        bpf_map_info info{};
        __u32 size = sizeof info;
        // Another release's guard may have another size, but is an array like ours, whose key has four bytes.
        const __u32 zero = 0;
        if (bpf_obj_get_info_by_fd(map.get(), &info, &size) != 0 || info.type != BPF_MAP_TYPE_ARRAY ||
            info.value_size > kLargestGuard)
            continue;
        const std::vector<char> nothing(info.value_size);
        (void)bpf_map_update_elem(map.get(), &zero, nothing.data(), BPF_ANY);
    }
}

} // namespace xk::xdp
