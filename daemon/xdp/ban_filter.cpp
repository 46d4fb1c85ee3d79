// SPDX-License-Identifier: MIT
#include "daemon/xdp/ban_filter.h"

#include "daemon/xdp/abi_values.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/map_access.h"

namespace xk::xdp {
namespace {

constexpr std::uint64_t kForEver = UINT64_MAX;

class BanMaps final : public BanFilter {
  public:
    explicit BanMaps(Filter& filter) : filter_(filter) {}

    Result<void> put_ban(const Prefix& prefix, const std::optional<BootTime>& until) override {
        const std::uint64_t end = until ? boot_ns(*until) : kForEver;
        if (prefix.is_single())
            return put_entry(addresses(), abi(prefix.address), end, "banned addresses");
        return put_entry(networks(), abi(prefix), end, "banned networks");
    }

    void erase_ban(const Prefix& prefix) override {
        if (prefix.is_single())
            erase_entry(addresses(), abi(prefix.address));
        else
            erase_entry(networks(), abi(prefix));
    }

    void set_ban_counts(const authz::BanList& bans) override {
        filter_.ban_counts().addresses = static_cast<__u32>(bans.addresses());
        filter_.ban_counts().networks = static_cast<__u32>(bans.networks());
    }

    Result<void> replace_bans(const authz::BanBook& bans) override {
        const authz::BanList before = read_bans();
        for (const auto& [prefix, ban] : before.all())
            if (bans.all().count(prefix) == 0)
                erase_ban(prefix);
        for (const auto& [prefix, ban] : bans.list().all())
            if (auto done = put_ban(prefix, bans.until_for_filter(prefix)); !done)
                return done;
        set_ban_counts(bans.list());
        return {};
    }

    authz::BanList read_bans() override {
        authz::BanList bans;
        for (const xk_address& key : keys_of<xk_address>(addresses()))
            add_ban(bans, addresses(), key, Prefix::of(address_of(key)));
        for (const xk_prefix& key : keys_of<xk_prefix>(networks()))
            add_ban(bans, networks(), key, Prefix{address_of(key.address), static_cast<std::uint8_t>(key.length)});
        return bans;
    }

  private:
    int addresses() const { return filter_.map_fd(Map::banned_addresses); }
    int networks() const { return filter_.map_fd(Map::banned_networks); }

    template <typename Key>
    static void add_ban(authz::BanList& to, int fd, const Key& key, const Prefix& prefix) {
        std::uint64_t until = 0;
        if (bpf_map_lookup_elem(fd, &key, &until) != 0)
            return; // it went meanwhile
        authz::Ban ban;
        if (until != kForEver)
            ban.until = boot_time(until);
        to.add(prefix, ban);
    }

    Filter& filter_;
};

} // namespace

std::unique_ptr<BanFilter> ban_filter_of(Filter& filter) { return std::make_unique<BanMaps>(filter); }

} // namespace xk::xdp
