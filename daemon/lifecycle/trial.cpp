// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/trial.h"

#include "protocol/base/directory.h"
#include "protocol/base/duration.h"
#include "protocol/base/fd.h"
#include "protocol/base/secure_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace xk {
namespace {

// Returns this boot's id. A boot time of another boot means nothing in this one.
std::string this_boot() {
    const Fd fd(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
    char text[64];
    const ssize_t n = fd ? ::read(fd.get(), text, sizeof text) : -1;
    std::string id(text, n > 0 ? static_cast<std::size_t>(n) : 0);
    id.erase(std::min(id.find('\n'), id.size()));
    return id;
}

// In the file: the trial belongs to the boot in which the file is read.
constexpr const char* kAnyBoot = "-";

// The last line, with the number of the format. The release before this one wrote no such line, and ignores it.
constexpr std::string_view kVersion = "xknock-trial 1\n";

// Parses "BOOT_ID NANOSECONDS\n" and the version. Empty for another boot, another format and a malformed text.
std::optional<BootTime> parse(const std::string& content) {
    const std::string boot = content.substr(0, content.find(' '));
    if (boot.empty() || boot.size() == content.size() || (boot != kAnyBoot && boot != this_boot()))
        return std::nullopt;
    std::int64_t end = 0;
    const char* const last = content.data() + content.size();
    const auto [rest, code] = std::from_chars(content.data() + boot.size() + 1, last, end);
    if (code != std::errc{} || rest == last || *rest != '\n')
        return std::nullopt;
    const std::string_view version(rest + 1, static_cast<std::size_t>(last - rest - 1));
    if (!version.empty() && version != kVersion)
        return std::nullopt;
    return BootTime(std::chrono::nanoseconds(end));
}

} // namespace

Trial Trial::read(const std::string& directory, uid_t owner) {
    Trial trial(file_in(directory));
    if (::access(trial.file_.c_str(), F_OK) != 0 && errno == ENOENT)
        return trial;
    FileRules rules;
    rules.owner = owner;
    rules.max_size = 256;
    const auto content = read_checked(trial.file_, rules);
    trial.end_ = content ? parse(*content).value_or(BootTime{}) : BootTime{};
    return trial;
}

Result<void> Trial::begin_trial(std::chrono::seconds time, BootTime now) { return write(this_boot(), now + time); }
Result<void> Trial::begin_for_daemon(std::chrono::seconds time, BootTime now) { return write(kAnyBoot, now + time); }
Result<void> Trial::keep() { return write(this_boot(), *end_); }

Result<void> Trial::write(const std::string& boot, BootTime end) {
    if (boot.empty())
        return os_error("reading this boot's id", "/proc must show it");
    const std::string content =
        boot + " " + std::to_string(end.time_since_epoch().count()) + "\n" + std::string(kVersion);
    if (auto done = write_file(file_, content, 0644, true); !done)
        return done;
    end_ = end;
    return {};
}

Result<void> Trial::forget() {
    // remove_file() waits for the disk: if a power cut brought the file back, the next start would take the gate away.
    if (auto done = remove_file(file_, true); !done)
        return done;
    end_.reset();
    return {};
}

std::chrono::seconds Trial::left(BootTime now) const {
    return std::max(std::chrono::ceil<std::chrono::seconds>(*end_ - now), std::chrono::seconds(0));
}

Result<std::chrono::seconds> parse_trial_time(const std::string& text) {
    const auto time = parse_duration(text);
    if (!time)
        return Error{time.error().message, time.error().hint, Exit::usage};
    if (time->count() == 0 || *time > Trial::kLongest)
        return Error{"a trial lasts from 1s to " + duration_text(Trial::kLongest), {}, Exit::usage};
    return time;
}

} // namespace xk
