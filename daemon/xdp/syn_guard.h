// SPDX-License-Identifier: MIT
//
// SynGuard: what the filter knows of protected ports, so that it may drop a SYN to one of them at the NIC: the ports,
// this host's addresses, the allowed networks, and the sources that have a grant. nftables decides all the same; what
// is said here must never be stricter than its rules. So a source is written down before its grant is, and stays for a
// while after it; whoever changes the rules switches the guard off before and on afterwards; and where something could
// not be written, it is off.
//
// The maps are pinned and outlive us. A source carries the end of its time, so that it ends without a daemon too.
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
    // For so long after its grant a source's SYNs pass: a connection that begins within the grant says its SYN again
    // for 127 seconds (Linux, tcp_syn_retries 6), and longer than its time-out (120 seconds) no connection is
    // remembered.
    static constexpr std::chrono::seconds kRetransmissions{130};

    // `note` is told when the guard has to go off, and when it is on again.
    SynGuard(Filter& filter, std::function<void(const std::string&)> note);

    // The pinned maps through another filter. Where they are others (somebody removed the pins), all is written anew.
    Result<void> use(Filter& filter);
    // Maps the memory, switches off, and reads back which sources a daemon before us knew.
    Result<void> begin(BootTime now);

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
    std::uint32_t map_ = 0;                                    // its id
    bool wanted_ = false;                                      // switched on
    BootTime blind_until_{};                                   // a source that is not written down may come until then
};

} // namespace xk::xdp
