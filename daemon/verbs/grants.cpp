// SPDX-License-Identifier: MIT
#include "daemon/verbs/grants.h"

#include "daemon/verbs/reply.h"
#include "protocol/encoding.h"

namespace xk::verbs {
namespace {

using nlohmann::json;

json holder_json(const authz::Policy& policy, const authz::Holder& holder, const Now& now) {
    const auto index = policy.find_credential(holder.credential);
    return {{"credential", to_hex(holder.credential)},
            {"user", std::string(authz::user_of(policy, holder.credential))},
            {"device", index ? std::string(policy.credentials[*index].device.view()) : ""},
            {"expires_in_s", seconds_left(holder.until, now.boot)}};
}

json grant_json(const authz::Policy& policy, const GrantRow& grant, const Now& now) {
    json holders = json::array();
    for (const authz::Holder& holder : grant.holders)
        holders.push_back(holder_json(policy, holder, now));
    return {{"address", grant.pinhole.address.text()},
            {"endpoint", grant.endpoint},
            {"service", grant.service},
            {"expires_in_s", seconds_left(grant.holders.front().until, now.boot)},
            {"holders", std::move(holders)}};
}

} // namespace

// Each row shows the configuration that counts when the row is made: a reload in between may close and rename grants.
Table grant_verbs(GrantSource& grants, const ConfigSource& config) {
    const auto run = [&](const Request& request) -> Result<control::Reply> {
        const auto next = [&, last = std::optional<authz::Pinhole>()](const Now& now) mutable -> std::optional<json> {
            const auto row = grants.find_next_grant(last, now);
            if (!row)
                return std::nullopt;
            last = row->pinhole;
            return grant_json(config.config()->policy, *row, now);
        };
        return rows_reply({"grants", next}, request.clock);
    };
    return {{"grants", control::Role::reader, {}, run}};
}

} // namespace xk::verbs
