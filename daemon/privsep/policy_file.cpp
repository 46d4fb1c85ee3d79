// SPDX-License-Identifier: MIT
#include "daemon/privsep/policy_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace xk::privsep {
namespace {

// A memory file takes and gives all bytes of one call: only a signal that ends the process interrupts it.
template <typename T>
bool write_all(const Fd& fd, const std::vector<T>& items) {
    const std::size_t size = items.size() * sizeof(T);
    return ::write(fd.get(), items.data(), size) == static_cast<ssize_t>(size);
}

template <typename T>
bool read_all(const Fd& fd, std::vector<T>& items, std::size_t count) {
    items.resize(count);
    const std::size_t size = count * sizeof(T);
    return ::read(fd.get(), items.data(), size) == static_cast<ssize_t>(size);
}

} // namespace

Result<PolicyFile> write_policy_file(const authz::PolicyChange& change) {
    Fd fd(::memfd_create("xknock-policy", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd)
        return os_error("making a memory file");
    if (!write_all(fd, change.services) || !write_all(fd, change.changed) || !write_all(fd, change.emptied) ||
        ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) != 0 ||
        ::lseek(fd.get(), 0, SEEK_SET) != 0)
        return os_error("writing a memory file");
    NewPolicy message;
    message.places = change.places;
    message.services = static_cast<std::uint32_t>(change.services.size());
    message.changed = static_cast<std::uint32_t>(change.changed.size());
    message.emptied = static_cast<std::uint32_t>(change.emptied.size());
    message.settings = change.settings;
    return PolicyFile{message, std::move(fd)};
}

Result<authz::PolicyChange> read_policy_file(const NewPolicy& message, const Fd& file) {
    const Error bug{"a configuration from xknockd makes no sense", {}, Exit::bug};
    if (message.services > authz::kMaxServices || message.changed > authz::kMaxCredentials ||
        message.emptied > authz::kMaxCredentials)
        return bug;
    authz::PolicyChange change;
    change.places = message.places;
    change.settings = message.settings;
    if (!read_all(file, change.services, message.services) || !read_all(file, change.changed, message.changed) ||
        !read_all(file, change.emptied, message.emptied))
        return Error{"a configuration from xknockd is cut", {}, Exit::bug};
    return is_sound(change) ? Result<authz::PolicyChange>(std::move(change)) : bug;
}

} // namespace xk::privsep
