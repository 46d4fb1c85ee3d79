// SPDX-License-Identifier: MIT
#include "seams.h"

#include "daemon/authz/method.h"
#include "daemon/authz/methods/packet.h"
#include "daemon/authz/rights.h"
#include "daemon/authz/tags.h"
#include "protocol/base/bytes.h"

// The product's own tables under other names, to add to.
#define method_table product_methods
#define rules product_rules
#include "daemon/authz/methods/table.cpp"
#include "daemon/authz/rules.cpp"
#undef method_table
#undef rules

#include <vector>

namespace xk::authz {
namespace {

// A key that cannot come twice, made of what it stands for.
KnockId key_of(const wire::CredentialId& id, std::uint8_t what, std::uint64_t number) {
    KnockId key{id, {what}, {}};
    store_be<std::uint64_t>(key.mac, number);
    std::copy(key.mac.begin(), key.mac.end(), key.request.begin() + 8);
    return key;
}

class SequenceMethod : public Method {
  public:
    explicit SequenceMethod(const MethodParts& parts) : policy_(parts.policy) {}

    std::optional<Unproved> prove_record(const Record& record, const Now&, Claim& claim) const override {
        if (record.credential >= policy_.credentials.size() || record.bytes.size() != 8)
            return Unproved{Reject::tag, std::nullopt};
        const Credential& credential = policy_.credentials[record.credential];
        Bytes<8> bytes;
        std::copy(record.bytes.begin(), record.bytes.end(), bytes.begin());
        const TotpStep step = load_be<std::uint64_t>(bytes);
        claim = {.credential = record.credential,
                 .slot = record.slot,
                 .replay = ReplayKeys(key_of(credential.id, 's', record.slot)),
                 .freshness = {slot_begin(record.slot), wire::kSlotLength + policy_.settings.skew},
                 .evidence = {.kind = FactorKind::totp, .step = step},
                 .wanted = {.service = service_id("ssh")}};
        claim.replay.add(key_of(credential.id, 'c', step));
        return std::nullopt;
    }
    void follow_clock(const Now&) override {}
    void remove_credential(std::uint32_t) override {}
    void add_credential(std::uint32_t) override {}

  private:
    const Policy& policy_;
};

std::optional<Reject> bob_barred(const GrantContext& c, Verdict&) {
    return test::bob_is_barred && c.credential.user.view() == "bob" ? std::optional(Reject::expired) : std::nullopt;
}
bool is_bob(const Credential& c) { return test::bob_is_barred && c.user.view() == "bob"; }

} // namespace

std::span<const MethodRow> method_table() {
    static const std::vector<MethodRow> table = [] {
        std::vector<MethodRow> rows(product_methods().begin(), product_methods().end());
        rows.push_back({test::kSequence, [](const MethodParts& parts) -> std::unique_ptr<Method> {
                            return std::make_unique<SequenceMethod>(parts);
                        }});
        return rows;
    }();
    return table;
}

std::span<const Rule> rules() {
    static const std::vector<Rule> table = [] {
        std::vector<Rule> rows(product_rules().begin(), product_rules().end());
        rows.push_back({"bob is not barred", kOfTime, bob_barred, is_bob});
        return rows;
    }();
    return table;
}

} // namespace xk::authz
