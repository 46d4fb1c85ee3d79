// SPDX-License-Identifier: MIT
//
// SynGuard writes into the filter what it needs to drop a SYN to a protected port at the NIC: the ports, this host's
// addresses, the allowed networks, and the sources that have a grant. It must never be stricter than the rules of
// nftables. So a source is written before its grant and stays for a while after it; the guard is off while the rules
// change; and it is off while something could not be written.
//
// The maps are pinned and outlive the daemon. A source carries the end of its time, so that it ends without a daemon
// too.
#pragma once

#include "bpf/abi.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/source_guard.h"
#include "protocol/base/address.h"
#include "protocol/base/clock.h"
#include "protocol/service.h"

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>

namespace xk::xdp {

class SynGuard final : public SourceGuard {
  public:
    // A source's SYNs pass for so long after its grant. A connection that begins within the grant retransmits its SYN
    // for 127 seconds (Linux, tcp_syn_retries 6), and connection tracking forgets it after 120 seconds.
    static constexpr std::chrono::seconds kRetransmissions{130};

    // `note` gets a line when the guard has to go off, and when it is on again.
    SynGuard(Filter& filter, std::function<void(const std::string&)> note);

    // The same maps through another filter.
    void bind_filter(Filter& filter) { filter_ = &filter; }
    // Maps the memory, switches the guard off, and reads the sources that a daemon before us wrote.
    Result<void> take_over(BootTime now);

    void switch_off() override;
    void switch_on(BootTime now) override;
    bool is_on() const override;

    void set_ports(std::span<const PortRange> ports) override;
    Result<void> set_allowed(std::span<const Prefix> networks) override;
    void set_local(const std::set<Address>& addresses) override;

    void admit(const Address& source, BootTime end) override;
    void limit(const Address& source, BootTime end) override;
    void expire(BootTime now) override;

    std::size_t known() const { return known_.size(); }

  private:
    struct Unmap {
        void operator()(xk_syn_guard* memory) const;
    };
    bool write(const Address& source, BootTime until);
    void erase(const Address& source);
    void go_blind(BootTime until, const std::string& why);
    int known_fd() const;
    void store_switch(bool on);

    Filter* filter_;
    std::function<void(const std::string&)> note_;
    std::unique_ptr<xk_syn_guard, Unmap> memory_;
    std::map<Address, BootTime> known_;                        // the end of each, as it is in the map
    std::array<std::uint32_t, XK_BITMAP_WORDS * 64> counts_{}; // how many of them have this bit
    bool wanted_ = false;                                      // switched on
    BootTime blind_until_{};                                   // a source that is not written down may come until then
};

} // namespace xk::xdp
