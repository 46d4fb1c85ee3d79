// SPDX-License-Identifier: MIT
#include "daemon/xdp/ban_filter.h"

#include "daemon/xdp/maps.h"

namespace xk::xdp {
namespace {

class BanMaps final : public BanFilter {
  public:
    explicit BanMaps(Filter& filter) : filter_(filter) {}

    Result<void> put_ban(const Prefix& prefix, const std::optional<BootTime>& until) override {
        return xdp::put_ban(filter_, prefix, until);
    }
    void erase_ban(const Prefix& prefix) override { xdp::erase_ban(filter_, prefix); }
    void set_ban_counts(const authz::BanList& bans) override { xdp::set_ban_counts(filter_, bans); }
    Result<void> replace_bans(const authz::BanBook& bans) override { return xdp::replace_bans(filter_, bans); }
    authz::BanList read_bans() override { return xdp::read_bans(filter_); }

  private:
    Filter& filter_;
};

} // namespace

std::unique_ptr<BanFilter> ban_filter_of(Filter& filter) { return std::make_unique<BanMaps>(filter); }

} // namespace xk::xdp
