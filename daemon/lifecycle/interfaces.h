// SPDX-License-Identifier: MIT
//
// The interfaces of the configuration: which have the filter, and which have none, since when and why. An interface may
// come late (a VPN, a USB card, a name that udev gives), go and come back: it gets the filter whenever it is there.
//
// The name in the configuration is what counts. A filter on an interface that was renamed stays where it is until an
// interface of the configured name appears.
#pragma once

#include "daemon/config/config.h"
#include "daemon/xdp/filter.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace xk {

// What Interfaces does to the network. A failure leaves the interface as it was.
class LinksPort {
  public:
    virtual ~LinksPort() = default;
    virtual Result<xdp::Attachment> attach(const std::string& interface, bool allow_generic) = 0;
    virtual bool is_attached(const xdp::Attachment& attachment) const = 0;
    virtual void detach_others(const std::vector<std::string>& interfaces) = 0;
    virtual int index_of(const std::string& interface) const = 0; // 0: no interface has this name
};

class Interfaces {
  public:
    struct Interface {
        // Under the configured name. Mode::none: it has no filter, and
        xdp::Attachment attachment{{}, 0, xdp::Mode::none};
        std::string reason, hint; // why not;
        bool missing = false;     // there is no such interface;
        WallTime since;           // when that began
        // When the reason is logged again, and when an interface that refused the filter is tried again.
        BootTime say_at, try_at;
        std::chrono::seconds say_gap{}, try_gap{};

        bool has_filter() const { return attachment.mode != xdp::Mode::none; }
        std::string_view state() const; // "native", "generic", "missing", "not attached"
        std::string device() const;     // the name that the interface has now; empty without filter
    };

    // `directory` is the state directory: a file there names the interfaces that have had the filter, so that a start
    // waits for them. Empty in a dry run, which remembers nothing.
    Interfaces(const std::string& directory, uid_t owner);
    static std::string file_in(const std::string& directory) { return directory + "/interfaces"; }

    // Whether a start makes sense: one of them is there, or had the filter once and is waited for.
    Result<void> check(const std::vector<std::string>& names) const;

    // Attaches the filter to those of the configuration that are there, and takes it from all others. An error where no
    // interface has it then and none is waited for; on a reload also where one has it now and none would then, and
    // where one refuses it that did not refuse it before. After an error go_back() is for the interfaces of before.
    Result<void> use(LinksPort& links, const config::Config& config, const Now& now);
    // Attaches the filter of `links` to those that had it before, and takes it from all others. Where there were none
    // (a start) nothing is taken away: those of a daemon before us go on guarding.
    void go_back(LinksPort& links, const Interfaces& before);

    // After a change of the host's interfaces, and now and then, because nobody tells of a filter that was detached.
    // True when something changed.
    bool look_after(LinksPort& links, const config::Config& config, const Now& now);

    // Those of the last look whose filter had been taken off, and which have it again.
    const std::set<std::string>& healed() const { return healed_; }

    const std::vector<Interface>& all() const { return interfaces_; }
    std::string text() const;                  // "eth0 (native), vpn0 (missing)"
    std::vector<std::string> warnings() const; // a line for each that has no filter

  private:
    const Interface* find(const std::string& name) const;
    std::optional<Error> attach(LinksPort& links, const config::Config& config, Interface& one,
                                const std::vector<Interface>& others, const Now& now) const;
    bool try_again(LinksPort& links, const config::Config& config, Interface& one, const Now& now);
    bool waits(const std::vector<std::string>& names,
               const std::function<int(const std::string&)>& index_of)
        const; // for one that had the filter once, and is not there
    void remember();

    std::vector<Interface> interfaces_;
    std::set<std::string> healed_;
    bool allow_generic_ = false;       // of the configuration that they are of
    std::string file_;                 // empty: nothing is remembered
    std::set<std::string> had_filter_; // at some time
    std::set<std::string> written_;    // of them, in the file
};

} // namespace xk
