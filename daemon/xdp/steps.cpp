// SPDX-License-Identifier: MIT
#include "daemon/xdp/steps.h"

#include "daemon/authz/sequences.h"
#include "daemon/xdp/abi_values.h"
#include "daemon/xdp/filter.h"
#include "daemon/xdp/map_access.h"
#include "protocol/sequence.h"

#include <cerrno>

namespace xk::xdp {
namespace {

static_assert(XK_SEQUENCE_FIRST == sequence::kFirstPort && XK_SEQUENCE_PORTS == sequence::kPorts);
static_assert(XK_MOST_SEQUENCE_PORTS == sequence::kMostPorts);
static_assert(XK_SEQUENCE_FIRST % XK_SEQUENCE_PORTS == 0 && XK_MOST_BEGUN == authz::kMostBegun);
static_assert(XK_MAX_SEQUENCES == authz::kMostSequences);
static_assert(XK_FIRST_C_LOCK_PORT == sequence::kFirstClockPort && XK_C_LOCK_ROOT == 1ull << 62); // worker/publish.cpp

xk_step_key step_key(std::uint64_t node, std::uint16_t port) {
    xk_step_key key{};
    key.node = node;
    key.port = port;
    return key;
}

} // namespace

// The steps of the daemon before us are remembered too: those that are published again stay, the others are removed.
void Steps::load() {
    const int fd = filter_->map_fd(Map::sequence_steps);
    if (!loaded_)
        for (const xk_step_key& key : keys_of<xk_step_key>(fd)) {
            xk_step value{};
            if (bpf_map_lookup_elem(fd, &key, &value) == 0)
                known_.insert({{key.node, key.port}, {value.next, value.credential, true}});
        }
    loaded_ = true;
}

Result<void> Steps::add(const std::vector<PublishedStep>& steps) {
    load();
    for (const PublishedStep& step : steps) {
        if (auto done = write_slot(step); !done)
            return done;
        const Key key(step.node, step.port);
        const auto known = known_.find(key);
        // The place of a step that several sequences share has no meaning.
        if (known != known_.end() && known->second.next == step.next &&
            (step.next != 0 || known->second.place == step.place)) {
            known->second.is_current = true;
            continue;
        }
        if (auto done = put(key, step); !done)
            return done;
        known_.insert_or_assign(key, Known{step.next, step.place, true});
    }
    return {};
}

Result<void> Steps::put(const Key& key, const PublishedStep& step) {
    const xk_step_key entry = step_key(key.first, key.second);
    xk_step value{};
    value.next = step.next;
    value.credential = step.place;
    const auto write = [&] {
        return bpf_map_update_elem(filter_->map_fd(Map::sequence_steps), &entry, &value, BPF_ANY) == 0;
    };
    if (write())
        return {};
    if (errno != E2BIG)
        return os_error("writing the filter's sequences");
    remove_stale();
    return write() ? Result<void>() : os_error("writing the filter's sequences");
}

Result<void> Steps::write_slot(const PublishedStep& step) {
    const auto entry = static_cast<std::uint32_t>(step.slot % XK_SEQUENCE_SLOTS);
    const std::tuple wanted(step.slot, step.not_before, step.expires);
    const auto before = slots_.find(entry);
    if (before != slots_.end() && before->second == wanted)
        return {};
    xk_sequence_slot value{};
    // The clock may be corrected within a slot. What the filter has counted in it stays.
    if (bpf_map_lookup_elem(filter_->map_fd(Map::sequence_slots), &entry, &value) != 0 || value.slot != step.slot)
        value = {};
    value.slot = step.slot;
    value.not_before = boot_ns(step.not_before);
    value.expires = boot_ns(step.expires);
    auto done = put_entry(filter_->map_fd(Map::sequence_slots), entry, value, "slots of sequences");
    if (done)
        slots_.insert_or_assign(entry, wanted);
    return done;
}

void Steps::begin_replacement() {
    load();
    for (auto& [key, known] : known_)
        known.is_current = false;
}

void Steps::end_replacement() { remove_stale(); }

void Steps::remove_stale() {
    for (auto i = known_.begin(); i != known_.end();) {
        if (i->second.is_current) {
            ++i;
            continue;
        }
        erase_entry(filter_->map_fd(Map::sequence_steps), step_key(i->first.first, i->first.second));
        i = known_.erase(i);
    }
}

} // namespace xk::xdp
