// SPDX-License-Identifier: MIT
#include "daemon/privsep/request_table.h"

namespace xk::privsep {
namespace {

// The type of the answer to a message; Type{}: there is no answer.
Type answer_to(Type type) {
    if (type == Type::secrets)
        return Type::secrets_read;
    for (const Rule& rule : kRequestTable)
        if (rule.answers == type)
            return rule.type;
    return Type{};
}

} // namespace

std::string_view name_of(Fault fault) {
    switch (fault) {
    case Fault::unknown:
        return "of no known type";
    case Fault::direction:
        return "in the wrong direction";
    case Fault::phase:
        return "in the wrong phase";
    case Fault::size:
        return "of the wrong size";
    case Fault::descriptors:
        return "with the wrong number of descriptors";
    case Fault::unasked:
        return "that nobody asked for";
    case Fault::too_many:
        return "too often";
    }
    return "unknown";
}

std::string text_of(Fault fault, Type type) {
    const Rule* const rule = rule_of(type);
    return std::string(rule != nullptr ? rule->name : "a message") + " " + std::string(name_of(fault));
}

void Conversation::on_sent(Type type) {
    if (const Type answer = answer_to(type); answer != Type{})
        ++owed_[answer];
}

Budget* Conversation::budget_of(Allowance allowance) {
    switch (allowance) {
    case Allowance::none:
        break;
    case Allowance::requests:
        return &requests_;
    case Allowance::notices:
        return &notices_;
    case Allowance::outcomes:
        return &outcomes_;
    case Allowance::answers:
        return &answers_;
    case Allowance::others:
        return &others_;
    }
    return nullptr;
}

std::optional<Fault> Conversation::admit(const Received& received, BootTime now) {
    const Rule* const rule = rule_of(type_of(received));
    if (rule == nullptr)
        return Fault::unknown;
    if (rule->to != us_)
        return Fault::direction;
    // The budget comes first, because a refused message costs time as well.
    if (Budget* const budget = budget_of(rule->allowance); budget != nullptr && !budget->try_spend(now))
        return Fault::too_many;
    if (received.bytes.size() != rule->size)
        return Fault::size;
    if (received.fds.size() < rule->least_fds || received.fds.size() > rule->most_fds)
        return Fault::descriptors;
    if ((rule->phases & static_cast<std::uint8_t>(phase_)) == 0)
        return Fault::phase;
    if (rule->answers != Type{} && owed_[rule->type]-- == 0) {
        owed_[rule->type] = 0;
        return Fault::unasked;
    }
    return std::nullopt;
}

} // namespace xk::privsep
