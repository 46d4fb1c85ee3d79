// SPDX-License-Identifier: MIT
//
// What the filter at the NIC would be told, in memory.
#pragma once

#include "daemon/xdp/ban_filter.h"
#include "daemon/xdp/source_guard.h"
#include "tests/unit/recording/faults.h"

#include <map>
#include <set>
#include <vector>

namespace xk::test {

// The maps outlive the filter that is bound to them, as pinned ones do.
struct BanMaps {
    std::map<Prefix, std::optional<BootTime>> bans;
    std::size_t addresses = 0, networks = 0; // as the program knows them: 0 means no look-up
    bool operator==(const BanMaps&) const = default;
};

class RecordingBanFilter final : public xdp::BanFilter {
  public:
    RecordingBanFilter(Faults& faults, BanMaps& maps) : faults_(faults), maps_(maps) {}

    Result<void> put_ban(const Prefix& prefix, const std::optional<BootTime>& until) override {
        if (auto fine = faults_.step("put a ban"); !fine)
            return fine;
        maps_.bans[prefix] = until;
        return {};
    }
    void erase_ban(const Prefix& prefix) override { maps_.bans.erase(prefix); }
    void set_ban_counts(const authz::BanList& bans) override {
        maps_.addresses = bans.addresses();
        maps_.networks = bans.networks();
    }
    Result<void> replace_bans(const authz::BanBook& bans) override {
        if (auto fine = faults_.step("replace the bans"); !fine)
            return fine;
        maps_.bans.clear();
        for (const auto& [prefix, ban] : bans.list().all())
            maps_.bans[prefix] = bans.until_for_filter(prefix);
        set_ban_counts(bans.list());
        return {};
    }
    authz::BanList read_bans() override {
        authz::BanList list;
        for (const auto& [prefix, until] : maps_.bans)
            list.add(prefix, {until, {}});
        return list;
    }

  private:
    Faults& faults_;
    BanMaps& maps_;
};

class RecordingGuard final : public xdp::SourceGuard {
  public:
    void switch_off() override { on_ = false; }
    void switch_on(BootTime) override { on_ = true; }
    bool is_on() const override { return on_; }
    void set_ports(std::span<const PortRange> all) override {
        was_on_while_set = was_on_while_set || on_;
        ports = {all.begin(), all.end()};
    }
    Result<void> set_allowed(std::span<const Prefix> networks) override {
        was_on_while_set = was_on_while_set || on_;
        if (auto fine = faults.step("set allowed networks"); !fine)
            return fine;
        allowed = {networks.begin(), networks.end()};
        return {};
    }
    void set_local(const std::set<Address>& addresses) override { local = addresses; }
    void admit(const Address& source, BootTime end) override {
        auto& known = sources.try_emplace(source, end).first->second;
        known = std::max(known, end);
    }
    void limit(const Address& source, BootTime end) override {
        if (const auto known = sources.find(source); known != sources.end())
            known->second = std::min(known->second, end);
    }
    void expire(BootTime now) override {
        std::erase_if(sources, [&](const auto& known) { return known.second <= now; });
    }

    Faults faults;
    std::vector<PortRange> ports;
    std::vector<Prefix> allowed;
    std::set<Address> local;
    std::map<Address, BootTime> sources;
    bool was_on_while_set = false;

  private:
    bool on_ = false;
};

} // namespace xk::test
