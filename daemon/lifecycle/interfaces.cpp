// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/interfaces.h"

#include "daemon/log.h"
#include "daemon/xdp/links.h"
#include "protocol/base/quote.h"
#include "protocol/base/secure_file.h"

#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <string_view>

namespace xk {
namespace {

using namespace std::chrono_literals;

// A fault that lasts is logged again after this time, then each time after twice as long, up to once an hour.
constexpr std::chrono::seconds kLogGap = 5min, kLongestLogGap = 1h;
// Some drivers reset their card when a program is tried, so an interface that refused the filter is tried again only
// after a while.
constexpr std::chrono::seconds kTryGap = 1s, kLongestTryGap = 1min;

// The first line, with the number of the format. The release before this one wrote no such line, and takes it for the
// name of an interface that does not exist.
constexpr std::string_view kName = "xknock-interfaces ", kHead = "xknock-interfaces 1\n";

std::string line_of(const Interfaces::Interface& one) {
    return one.attachment.interface + " has no filter, and knocks are not heard there: " + one.reason;
}

void say(Interfaces::Interface& one, BootTime now) {
    one.log_gap = one.log_gap == 0s ? kLogGap : std::min(2 * one.log_gap, kLongestLogGap);
    one.log_at = now + one.log_gap;
    if (one.missing)
        log::warn("{} ({}); it gets the filter when it comes", line_of(one), one.hint);
    else
        log::error({line_of(one), one.hint});
}

void warn_of_generic(const xdp::Attachment& attachment) {
    if (attachment.mode == xdp::Mode::generic)
        log::warn("{}: its driver has no native XDP; in generic mode every packet is copied into one piece "
                  "first, which slows down all large traffic of this interface",
                  attachment.interface);
}

} // namespace

std::string_view Interfaces::Interface::state() const {
    return missing ? std::string_view("missing") : xdp::name_of(attachment.mode);
}

std::string Interfaces::Interface::device() const {
    return has_filter() ? xdp::name_of_interface(attachment.ifindex) : "";
}

Interfaces::Interfaces(const std::string& directory, uid_t owner) : file_(directory.empty() ? "" : file_in(directory)) {
    if (file_.empty() || (::access(file_.c_str(), F_OK) != 0 && errno == ENOENT))
        return;
    FileRules rules;
    rules.owner = owner;
    const auto content = read_checked(file_, rules);
    if (!content)
        log::error(content.error()); // then a start waits for no interface
    std::istringstream lines(content ? *content : "");
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with(kName) && line + "\n" != kHead) {
            log::error({in_quotes(file_) + " was written by a newer release: a start waits for no interface", {}});
            had_filter_.clear();
            return;
        }
        if (!line.starts_with(kName))
            had_filter_.insert(line);
    }
    written_ = had_filter_;
}

bool Interfaces::waits(const std::vector<std::string>& names,
                       const std::function<int(const std::string&)>& index_of) const {
    return std::ranges::any_of(
        names, [&](const std::string& name) { return had_filter_.count(name) > 0 && index_of(name) == 0; });
}

Result<void> Interfaces::check(const std::vector<std::string>& names) const {
    if (waits(names, xdp::index_of_interface))
        return {};
    const auto missing = xdp::missing_interfaces(names);
    return missing ? Result<void>() : Result<void>(missing.error());
}

const Interfaces::Interface* Interfaces::find(const std::string& name) const {
    const auto found =
        std::ranges::find_if(interfaces_, [&](const Interface& one) { return one.attachment.interface == name; });
    return found != interfaces_.end() ? &*found : nullptr;
}

std::optional<Error> Interfaces::attach(LinksPort& links, const config::Config& config, Interface& one,
                                        const std::vector<Interface>& others, const Now& now) const {
    const std::string name = one.attachment.interface;
    const int ifindex = links.index_of(name);
    // Two names may belong to one interface (an alternative name). If it was renamed and the old name is gone, the
    // filter belongs to the new name.
    const auto same = std::ranges::find_if(others, [&](const Interface& other) {
        return &other != &one && other.has_filter() && other.attachment.ifindex == ifindex &&
               links.index_of(other.attachment.interface) == ifindex;
    });
    auto attached = same != others.end()
                        ? Result<xdp::Attachment>(Error{"it is the same interface as " + same->attachment.interface,
                                                        "name it once in \"interfaces\""})
                        : links.attach(name, config.allow_generic);
    if (attached) {
        one = {};
        one.attachment = *attached;
        return {};
    }
    if (one.has_filter() || one.reason.empty()) {
        one = {};
        one.attachment.interface = name;
        one.since = now.wall;
    }
    one.reason = attached.error().message;
    one.hint = attached.error().hint;
    one.missing = ifindex == 0;
    one.try_gap = one.try_gap == 0s ? kTryGap : std::min(2 * one.try_gap, kLongestTryGap);
    one.try_at = now.boot + one.try_gap;
    return std::move(attached).error();
}

Result<void> Interfaces::use(LinksPort& links, const config::Config& config, const Now& now) {
    std::vector<Interface> next;
    std::optional<Error> refused;
    bool any = false;
    for (const std::string& name : config.interfaces) {
        const Interface* const before = find(name);
        Interface one = before != nullptr ? *before : Interface{};
        one.attachment.interface = name;
        auto error = attach(links, config, one, next, now);
        if (error && !one.missing) {
            // A filter on a bridge that is no longer in the configuration may be the reason: with it the ports of the
            // bridge cannot get the filter.
            links.detach_others(config.interfaces);
            error = attach(links, config, one, next, now);
        }
        any = any || one.has_filter();
        if (error && !one.missing) {
            if (!interfaces_.empty() && (before == nullptr || before->has_filter()))
                return *std::move(error);
            refused = refused ? refused : std::move(error);
        }
        next.push_back(one);
    }
    if (!any && (!waits(config.interfaces, [&](const std::string& name) { return links.index_of(name); }) ||
                 std::ranges::any_of(interfaces_, &Interface::has_filter)))
        return refused ? *std::move(refused) : xdp::no_interface(config.interfaces);
    interfaces_ = std::move(next);
    allow_generic_ = config.allow_generic;
    links.detach_others(config.interfaces);
    for (Interface& one : interfaces_) {
        if (one.has_filter())
            warn_of_generic(one.attachment);
        else
            say(one, now.boot);
    }
    remember();
    return {};
}

void Interfaces::go_back(LinksPort& links, const Interfaces& before) {
    const auto written = std::move(written_);
    *this = Interfaces(before);
    written_ = written;
    if (interfaces_.empty())
        return;
    std::vector<std::string> names;
    for (const Interface& one : interfaces_) {
        names.push_back(one.attachment.interface);
        if (one.has_filter())
            if (auto done = links.attach(one.attachment.interface, allow_generic_); !done)
                log::error(done.error());
    }
    links.detach_others(names);
    remember();
}

bool Interfaces::keep_attached(LinksPort& links, const config::Config& config, const Now& now) {
    bool changed = false;
    healed_.clear();
    for (Interface& one : interfaces_)
        if (!one.has_filter() || !links.is_attached(one.attachment))
            changed |= try_again(links, config, one, now);
    if (changed)
        remember();
    return changed;
}

bool Interfaces::try_again(LinksPort& links, const config::Config& config, Interface& one, const Now& now) {
    const bool had = one.has_filter();
    const bool is_there = links.index_of(one.attachment.interface) != 0;
    const bool came_or_went = is_there == one.missing;
    if (came_or_went)
        one.try_gap = 0s;
    if (had || came_or_went || (is_there && now.boot >= one.try_at)) {
        if (!attach(links, config, one, interfaces_, now)) {
            if (had)
                healed_.insert(one.attachment.interface);
            warn_of_generic(one.attachment);
            return true;
        }
        if (had || came_or_went) {
            say(one, now.boot);
            return true;
        }
    }
    if (now.boot >= one.log_at)
        say(one, now.boot);
    return false;
}

std::string Interfaces::text() const {
    std::string list;
    for (const Interface& one : interfaces_) {
        const std::string& name = one.attachment.interface;
        const std::string device = one.device();
        list += (list.empty() ? "" : ", ") + name + " (" + std::string(one.state()) +
                (device.empty() || device == name ? "" : ", on " + device) + ")";
    }
    return list;
}

std::vector<std::string> Interfaces::warnings() const {
    std::vector<std::string> lines;
    for (const Interface& one : interfaces_)
        if (!one.has_filter())
            lines.push_back(line_of(one));
    return lines;
}

// The file names only interfaces of this configuration, so that it does not grow.
void Interfaces::remember() {
    std::set<std::string> had;
    for (const Interface& one : interfaces_)
        if (one.has_filter() || had_filter_.count(one.attachment.interface) > 0)
            had.insert(one.attachment.interface);
    had_filter_ = std::move(had);
    if (file_.empty() || had_filter_ == written_)
        return;
    std::string content(kHead);
    for (const std::string& name : had_filter_)
        content += name + "\n";
    if (auto done = write_file(file_, content, 0644, true); !done)
        return log::error(std::move(done).error().within("a start does not wait for interfaces that come late"));
    written_ = had_filter_;
}

} // namespace xk
