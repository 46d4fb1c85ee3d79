// SPDX-License-Identifier: MIT
#include "daemon/bans/ban_file.h"

#include "daemon/authz/ban_text.h"
#include "protocol/base/directory.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace xk {
namespace {

// The file is written anew when it has more lines than twice the number of claims plus this number.
constexpr std::size_t kSpareLines = 4096;
// Room for twice as many claims as there may be, each with the longest owner.
constexpr std::size_t kMaxSize = std::size_t{512} << 20;

bool write_whole(const Fd& fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t n = ::write(fd.get(), text.data(), text.size());
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0)
            text.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
}

} // namespace

Result<void> BanFile::check() const {
    const Fd fd(path_.empty() ? -1 : ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    char line[128];
    const ssize_t n = fd ? ::read(fd.get(), line, sizeof line) : 0;
    if (n <= 0 || !authz::is_of_newer_release({line, static_cast<std::size_t>(n)}, boot_))
        return {};
    return Error{in_quotes(path_) + " was written by a newer release",
                 "start the release that wrote it; or \"rm " + path_ +
                     "\": bans then come from the filter and from nftables, and those of one address by several owners "
                     "become one",
                 Exit::configuration};
}

Result<std::optional<authz::BanBook>> BanFile::read() const {
    if (path_.empty() || (::access(path_.c_str(), F_OK) != 0 && errno == ENOENT))
        return std::optional<authz::BanBook>();
    auto text = read_checked(path_, {.secret = true, .group = {}, .owner = {}, .max_size = kMaxSize});
    if (!text)
        return text.error();
    if (authz::is_of_another_boot(*text, boot_))
        return std::optional<authz::BanBook>();
    auto book = authz::read_bans_text(*text, boot_);
    if (!book)
        return Error{in_quotes(path_) + " is damaged", {}};
    return std::optional(*std::move(book));
}

Error BanFile::give_up(Error error) {
    fd_.reset();
    (void)remove_file(path_, false);
    return std::move(error).within("a restart would not know whose bans these are");
}

Result<void> BanFile::replace(const authz::BanBook& book) {
    if (path_.empty())
        return {};
    if (auto done = write_file(path_, authz::bans_head(boot_) + authz::bans_text(book), 0600, true, {}, false); !done)
        return give_up(done.error());
    lines_ = book.size();
    fd_.reset(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
    if (!fd_)
        return give_up(os_error("opening " + in_quotes(path_)));
    return {};
}

Result<void> BanFile::append(std::string_view lines, const authz::BanBook& book) {
    if (path_.empty() || lines.empty())
        return {};
    lines_ += static_cast<std::size_t>(std::count(lines.begin(), lines.end(), '\n'));
    if (!fd_ || lines_ > 2 * book.size() + kSpareLines)
        return replace(book);
    if (!write_whole(fd_, lines))
        return give_up(os_error("writing " + in_quotes(path_)));
    return {};
}

} // namespace xk
