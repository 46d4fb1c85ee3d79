// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/panic.h"

#include "protocol/base/directory.h"
#include "protocol/base/secure_file.h"

#include <sys/stat.h>

#include <sstream>
#include <string_view>

namespace xk {
namespace {

constexpr const char* kBegun = "begun";
constexpr const char* kFinished = "finished";
// The last line, with the number of the format. The release before this one wrote no such line, and ignores it.
constexpr std::string_view kVersion = "xknock-panic 1\n";

// Removes the last line. Returns false where it names another format than ours.
bool cut_version(std::string& content) {
    const auto at = content.find("xknock-panic ");
    if (at == content.npos)
        return true;
    const bool known = content.substr(at) == kVersion;
    content.resize(at);
    return known;
}

} // namespace

Panic Panic::read(const std::string& directory, uid_t owner) {
    Panic panic(file_in(directory));
    struct stat st {};
    if (::lstat(panic.file_.c_str(), &st) != 0 && errno == ENOENT)
        return panic;
    panic.on_ = true;
    FileRules rules;
    rules.owner = owner;
    rules.max_size = 512;
    const auto content = read_checked(panic.file_, rules);
    if (!content || !panic.parse(*content)) {
        panic.finished_ = false; // it is not known which steps were done, so every step is done again
        panic.since_.reset();
        panic.spared_.reset();
    }
    return panic;
}

// The first line is "finished SECONDS" or "begun SECONDS" (since 1970). The spared session may follow in the same line:
// "192.0.2.2 40000 192.0.2.1 22".
bool Panic::parse(std::string content) {
    if (!cut_version(content))
        return false;
    std::istringstream words(content);
    std::string state, remote, local;
    std::int64_t seconds = 0;
    if (content.empty() || content.back() != '\n' || !(words >> state >> seconds) || seconds < 0 ||
        seconds > UINT32_MAX || (state != kBegun && state != kFinished))
        return false;
    finished_ = state == kFinished;
    since_ = WallTime(std::chrono::seconds(seconds));
    TcpSession session;
    if (!(words >> remote))
        return true;
    const auto from = Address::parse(remote);
    if (!(words >> session.remote_port >> local >> session.local_port))
        return false;
    const auto to = Address::parse(local);
    if (!from || !to)
        return false;
    session.remote = *from;
    session.local = *to;
    spared_ = session;
    return true;
}

Result<void> Panic::write() const {
    std::ostringstream content;
    content << (finished_ ? kFinished : kBegun) << ' '
            << std::chrono::floor<std::chrono::seconds>(since_.value_or(WallTime{})).time_since_epoch().count();
    if (spared_)
        content << ' ' << spared_->remote.text() << ' ' << spared_->remote_port << ' ' << spared_->local.text() << ' '
                << spared_->local_port;
    content << '\n' << kVersion;
    return write_file(file_, content.str(), 0600, true);
}

Result<void> Panic::begin_panic(const std::optional<TcpSession>& spared, WallTime now) {
    on_ = true;
    finished_ = false;
    since_ = now;
    spared_ = spared;
    return write();
}

Result<void> Panic::finish() {
    finished_ = true;
    return write();
}

Result<void> Panic::end() {
    // remove_file() waits for the disk: if a power cut brought the file back, all knocks would be refused.
    if (auto done = remove_file(file_, true); !done)
        return done;
    on_ = finished_ = false;
    since_.reset();
    spared_.reset();
    return {};
}

} // namespace xk
