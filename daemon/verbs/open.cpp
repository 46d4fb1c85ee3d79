// SPDX-License-Identifier: MIT
#include "daemon/verbs/open.h"

#include "daemon/verbs/fields.h"
#include "daemon/verbs/reply.h"
#include "protocol/base/quote.h"

namespace xk::verbs {
namespace {

using authz::Answer;
using nlohmann::json;

Result<authz::GrantRequest> parse_grant(const json& fields) {
    const auto address = Address::parse_logged(text_field(fields, "address"));
    if (!address)
        return Error{address.error().message, address.error().hint, Exit::usage};
    const auto what = parse_service_spec(text_field(fields, "service"));
    if (!what)
        return Error{what.error().message, what.error().hint, Exit::usage};
    authz::GrantRequest grant;
    grant.address = *address;
    grant.service = what->service;
    grant.endpoint = what->endpoint;
    grant.target = what->target;
    grant.single_use = truth_field(fields, "single");
    const auto time = seconds_field(fields, "seconds").value_or(std::chrono::seconds(0)); // 0: the default
    grant.lifetime = static_cast<std::uint32_t>(time.count());
    return grant;
}

Error refusal_of(const GrantOpener::Opened& opened, const authz::GrantRequest& grant, const std::string& service,
                 const std::string& config_file) {
    const std::string address = grant.address.text();
    switch (opened.answer) {
    case Answer::banned:
        return {address + " is banned", "knockctl bans"};
    case Answer::own_address:
        return {address + " is an address of this host", {}};
    case Answer::limit:
        return {"there are as many open grants as there may be", "gate.max_grants; 64 of the operator's"};
    case Answer::failed:
        return opened.error.value_or(Error{"nf_tables refused", {}});
    case Answer::done:
    case Answer::waiting:
    case Answer::refused:
    case Answer::panic: // a panic stops knocks and not the operator
        break;
    }
    return {"there is no service " + in_quotes(service) + ", or no grant is opened for " + address +
                (grant.single_use ? ", or it is not for one connection (a range, or after: cut)" : ""),
            "services are named in " + config_file};
}

Result<control::Reply> run_open(GrantOpener& opener, const ConfigSource& source, const Request& request) {
    const auto grant = parse_grant(request.fields);
    if (!grant)
        return grant.error();
    const auto opened = opener.open_for_operator(*grant, request.now);
    if (opened.answer != Answer::done && opened.answer != Answer::waiting)
        return refusal_of(opened, *grant, text_field(request.fields, "service"), source.config()->file);
    request.action.service = opened.service;
    request.action.address = grant->address;
    request.action.lifetime = opened.lifetime;
    return json_reply(
        {{"address", grant->address.text()}, {"service", opened.service}, {"expires_in_s", opened.lifetime.count()}});
}

} // namespace

Table open_verbs(GrantOpener& opener, const ConfigSource& config) {
    return {
        {"open",
         control::Role::admin,
         {{"address", FieldKind::text},
          {"service", FieldKind::text},
          {"seconds", FieldKind::seconds},
          {"single", FieldKind::truth}},
         [&](const Request& request) { return run_open(opener, config, request); },
         [](const json& fields) { return text_field(fields, "service") + " for " + text_field(fields, "address"); }}};
}

} // namespace xk::verbs
