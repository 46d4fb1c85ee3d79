// SPDX-License-Identifier: MIT
#include "daemon/nft/ended.h"

#include "daemon/nft/pinhole_sets.h"
#include "daemon/nft/rule.h"

#include <set>

namespace xk::nft {
namespace {

constexpr std::size_t key_size(bool v4) { return v4 ? 20 : 44; }

// The opposite of tuple_key(); `key` has key_size() bytes.
Tuple parse_tuple_key(const std::uint8_t* key, bool v4) {
    const std::size_t size = v4 ? 4 : 16;
    Tuple tuple;
    tuple.source = *parse_address_key({key, key + size});
    tuple.target = *parse_address_key({key + size, key + 2 * size});
    const std::uint8_t* const rest = key + 2 * size;
    tuple.protocol = static_cast<IpProtocol>(rest[0]);
    tuple.source_port = static_cast<std::uint16_t>(rest[4] << 8 | rest[5]);
    tuple.target_port = static_cast<std::uint16_t>(rest[8] << 8 | rest[9]);
    return tuple;
}

bool is_v4(const EndedSession& session) { return session.there.source.is_v4(); }

} // namespace

SetName ended_set(bool v4) { return {kTable, v4 ? "ended4" : "ended6"}; }

std::vector<std::uint8_t> tuple_key(const Tuple& tuple) {
    std::vector<std::uint8_t> key = forward_key(tuple.source, tuple.target, {tuple.protocol, tuple.source_port});
    key.insert(key.end(),
               {static_cast<std::uint8_t>(tuple.target_port >> 8), static_cast<std::uint8_t>(tuple.target_port), 0, 0});
    return key;
}

// Each element carries both directions in its data, so that list_ended() finds whole sessions.
void put_ended(Transaction& transaction, const EndedSession& session) {
    Element element;
    element.timeout = kEndedFor;
    element.data = tuple_key(session.there);
    const auto back = tuple_key(session.back);
    element.data.insert(element.data.end(), back.begin(), back.end());
    for (const Tuple& tuple : {session.there, session.back}) {
        element.key = tuple_key(tuple);
        put_element(transaction, ended_set(is_v4(session)), element);
    }
}

void remove_ended(Transaction& transaction, const EndedSession& session) {
    for (const Tuple& tuple : {session.there, session.back})
        remove_element(transaction, ended_set(is_v4(session)), tuple_key(tuple));
}

void clear_ended(Transaction& transaction) {
    for (const bool v4 : {true, false})
        flush_set(transaction, ended_set(v4));
}

Result<std::vector<EndedSession>> list_ended(Sets& sets) {
    std::set<EndedSession> found;
    for (const bool v4 : {true, false}) {
        auto elements = list_elements(sets, ended_set(v4));
        if (!elements)
            return elements.error();
        const std::size_t size = key_size(v4);
        for (const Element& element : *elements) {
            if (element.key.size() != size || element.data.size() != 2 * size)
                continue;
            const Tuple there = parse_tuple_key(element.data.data(), v4);
            const Tuple back = parse_tuple_key(element.data.data() + size, v4);
            if (element.key == tuple_key(there) || element.key == tuple_key(back))
                found.insert({there, back});
        }
    }
    return std::vector<EndedSession>(found.begin(), found.end());
}

SetName flows_set(bool v4) { return {kTable, v4 ? "flows4" : "flows6"}; }

Result<std::vector<Tuple>> list_flows(Sets& sets) {
    std::vector<Tuple> found;
    for (const bool v4 : {true, false}) {
        auto elements = list_elements(sets, flows_set(v4));
        if (!elements)
            return elements.error();
        for (const Element& element : *elements)
            if (element.key.size() == key_size(v4))
                found.push_back(parse_tuple_key(element.key.data(), v4));
    }
    return found;
}

void remove_flow(Transaction& transaction, const Tuple& flow) {
    remove_element(transaction, flows_set(flow.source.is_v4()), tuple_key(flow));
}

void add_ended_rules(Transaction& transaction, bool resets) {
    // A reset revives nothing, and the other end must get it.
    Rule(kTable, kEndedChain).has_syn_or_rst().return_to_caller(transaction, "new connections, and ends");
    for (const Family family : {Family::v4, Family::v6}) {
        const std::string set = ended_set(family == Family::v4).set;
        Rule(kTable, kEndedChain)
            .in_set(family, Key::both_ends, set)
            .update_set(family, Key::both_ends, set, kEndedFor)
            .counter()
            .go_to(transaction, kOverChain, "sessions that were ended");
    }
    // An invalid packet gets no reset: it may belong to a new session of the same ports, which a reset would end.
    if (resets)
        Rule(kTable, kOverChain)
            .protocol_is(IpProtocol::tcp)
            .is_new()
            .reject_with_reset(transaction, "tells both ends");
    Rule(kTable, kOverChain).drop(transaction, "ended");
    Rule(kTable, kOutputChain).has_no_session().jump_to(transaction, kEndedChain, "this host's own packets");
}

} // namespace xk::nft
