// SPDX-License-Identifier: MIT
//
// Interfaces has the interfaces of the configuration, and for each one without filter the time and the reason. An
// interface may come late (a VPN, a USB card, a name that udev gives), disappear and come back. It gets the filter each
// time it appears.
//
// The name in the configuration counts. A renamed interface keeps its filter until another one has the configured name.
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

// The network as Interfaces changes it. A failed call leaves the interface as it was.
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
        xdp::Attachment attachment{{}, 0, xdp::Mode::none}; // under the configured name
        // Where it has no filter (Mode::none):
        std::string reason, hint;
        bool missing = false; // there is no such interface
        WallTime since;       // when it lost the filter, or failed to get it
        // When the reason is logged again, and when an interface that refused the filter is tried again.
        BootTime log_at, try_at;
        std::chrono::seconds log_gap{}, try_gap{};

        bool has_filter() const { return attachment.mode != xdp::Mode::none; }
        std::string_view state() const; // "native", "generic", "missing", "not attached"
        std::string device() const;     // the name that the interface has now; empty without filter
    };

    // `directory` is the state directory. A file in it names the interfaces that have had the filter, so that a start
    // waits for them. A dry run gives no directory and remembers nothing.
    Interfaces(const std::string& directory, uid_t owner);
    static std::string file_in(const std::string& directory) { return directory + "/interfaces"; }

    // Refuses a start where none of these interfaces exists, unless one of them has had the filter: then the start
    // waits for it.
    Result<void> check(const std::vector<std::string>& names) const;

    // Attaches the filter to the interfaces of the configuration, and takes it from all others. It is an error where no
    // interface has it afterwards, unless the start waits for one. On a reload it is also an error where no interface
    // would keep the filter, and where an interface refuses it that did not refuse it before. After an error go_back()
    // restores the interfaces.
    Result<void> use(LinksPort& links, const config::Config& config, const Now& now);
    // Attaches the filter of `links` to the interfaces that had it in `before`, and takes it from all others. At a
    // start `before` has none; then it takes nothing away, and the filter of an earlier daemon keeps its interfaces.
    void go_back(LinksPort& links, const Interfaces& before);

    // Called after a change of the host's interfaces, and on every tick, because the kernel does not report a detached
    // filter. Returns true when something changed.
    bool keep_attached(LinksPort& links, const config::Config& config, const Now& now);

    // The interfaces to which the last keep_attached() gave back a filter that somebody had taken off.
    const std::set<std::string>& healed() const { return healed_; }

    const std::vector<Interface>& all() const { return interfaces_; }
    std::string text() const;                  // "eth0 (native), vpn0 (missing)"
    std::vector<std::string> warnings() const; // a line for each that has no filter

  private:
    const Interface* find(const std::string& name) const;
    std::optional<Error> attach(LinksPort& links, const config::Config& config, Interface& one,
                                const std::vector<Interface>& others, const Now& now) const;
    bool try_again(LinksPort& links, const config::Config& config, Interface& one, const Now& now);
    // Whether a start waits for one of them: it has had the filter, and does not exist now.
    bool waits(const std::vector<std::string>& names, const std::function<int(const std::string&)>& index_of) const;
    void remember();

    std::vector<Interface> interfaces_;
    std::set<std::string> healed_;
    bool allow_generic_ = false;       // of the configuration to which interfaces_ belongs
    std::string file_;                 // empty: nothing is remembered
    std::set<std::string> had_filter_; // those that have had the filter at some time
    std::set<std::string> written_;    // those that the file names
};

} // namespace xk
