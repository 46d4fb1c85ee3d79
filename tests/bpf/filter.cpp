// SPDX-License-Identifier: MIT
#include "filter.h"

#include "knock.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

namespace xk::test {

template <typename K, typename V>
void Filter::update(bpf_map* map, const K& key, const V& value) {
    REQUIRE(bpf_map__update_elem(map, &key, sizeof key, &value, sizeof value, BPF_ANY) == 0);
}

template <typename K>
std::vector<K> Filter::keys_of(const bpf_map* map) {
    std::vector<K> keys;
    K next{};
    while (bpf_map__get_next_key(map, keys.empty() ? nullptr : &keys.back(), &next, sizeof next) == 0)
        keys.push_back(next);
    return keys;
}

// In one call where the kernel has it for this kind of map (Linux 5.13): some tests run a hundred thousand packets.
std::vector<std::uint64_t> Filter::counters() {
    const auto cpus = static_cast<std::size_t>(libbpf_num_possible_cpus());
    std::vector<std::uint64_t> sums(XK_COUNTERS), each(XK_COUNTERS * cpus);
    std::uint32_t keys[XK_COUNTERS], count = XK_COUNTERS, next = 0;
    const int map = bpf_map__fd(skeleton_->maps.counters);
    // ENOENT says that these were the last ones.
    if (const int failure = bpf_map_lookup_batch(map, nullptr, &next, keys, each.data(), &count, nullptr);
        (failure != 0 && failure != -ENOENT) || count != XK_COUNTERS)
        for (std::uint32_t i = 0; i < XK_COUNTERS; ++i) {
            keys[i] = i;
            REQUIRE(bpf_map_lookup_elem(map, &i, &each[i * cpus]) == 0);
        }
    for (std::size_t i = 0; i < each.size(); ++i)
        sums[keys[i / cpus]] += each[i];
    return sums;
}

int Filter::on_record(void* self, void* data, std::size_t size) {
    auto* filter = static_cast<Filter*>(self);
    const unsigned kind = static_cast<const xk_record*>(data)->kind;
    if (kind == XK_RECORD_CAPYKNOCK || kind == XK_RECORD_FWKNOP) {
        const auto* const bytes = static_cast<const std::uint8_t*>(data);
        filter->legacy_.assign(bytes, bytes + size);
    } else if (kind == XK_RECORD_SEQUENCE || kind == XK_RECORD_C_LOCK) {
        REQUIRE(size == sizeof(xk_sequence_record));
        const auto& record = *static_cast<const xk_sequence_record*>(data);
        (record.head.credential == XK_NOBODY ? filter->failure_ : filter->sequence_) = record;
    } else {
        REQUIRE(size == sizeof(xk_packet_record));
        filter->record_ = *static_cast<const xk_packet_record*>(data);
    }
    ++filter->records_;
    return 0;
}

Filter::Filter(const std::function<void(xk_settings&)>& change) : skeleton_(knock_bpf__open()) {
    REQUIRE(skeleton_ != nullptr);
    auto* settings =
        const_cast<xk_settings*>(reinterpret_cast<const volatile xk_settings*>(&skeleton_->rodata->settings));
    settings->knock_port = __builtin_bswap16(62201);
    settings->knock_interval = 500'000'000;
    settings->knock_burst = 32;
    if (change)
        change(*settings);
    REQUIRE_MESSAGE(knock_bpf__load(skeleton_) == 0, "loading the filter (root?)");
    ring_ = ring_buffer__new(bpf_map__fd(skeleton_->maps.candidates), &Filter::on_record, this, nullptr);
    REQUIRE(ring_ != nullptr);
    add_local("192.0.2.1");
    add_local("2001:db8::1");
    publish(keys(), kSlot);
}
Filter::~Filter() {
    ring_buffer__free(ring_);
    knock_bpf__destroy(skeleton_);
}

const CredentialKeys& Filter::keys() {
    static const CredentialKeys k = [] {
        CredentialKeys made;
        derive_keys(made, Key{1}, wire::ServerId{2}, wire::CredentialId{3});
        return made;
    }();
    return k;
}

std::vector<std::uint8_t> Filter::sealed(std::uint8_t seed, Slot slot) {
    const RequestBytes request{seed};
    const auto packet = seal_packet(keys(), slot, hedged_nonce(keys().nonce, WallTime{}, request), request);
    return {packet.begin(), packet.end()};
}

void Filter::publish(const CredentialKeys& k, Slot slot, std::uint64_t not_before, std::uint64_t expires,
                     std::uint32_t credential, xk_record_kind kind) {
    const GateKeys gate = gate_keys(k.gate, slot);
    std::uint64_t tag;
    std::memcpy(&tag, gate.tag.data(), sizeof tag);
    xk_tag value{};
    std::memcpy(value.mac_key, gate.mac_key.data(), sizeof value.mac_key);
    value.not_before = not_before;
    value.expires = expires;
    value.slot = slot;
    value.credential = credential;
    value.kind = kind;
    update(skeleton_->maps.tags, tag, value);
}

std::vector<xk_peer> Filter::hello_peers() const { return keys_of<xk_peer>(skeleton_->maps.hello_peers); }

void Filter::publish_sequence(const std::vector<std::uint16_t>& ports, Slot slot, std::uint64_t not_before,
                              std::uint64_t expires, std::uint32_t credential) {
    publish_steps(slot, ports, credential);
    set_sequence_slot({slot, not_before, expires, 0});
}

void Filter::publish_c_lock(const std::vector<std::uint16_t>& ports, Slot slot, std::uint64_t not_before,
                            std::uint64_t expires, std::uint32_t credential) {
    publish_steps(slot | XK_C_LOCK_ROOT, ports, credential);
    set_sequence_slot({slot, not_before, expires, 0});
}

void Filter::publish_steps(std::uint64_t node, const std::vector<std::uint16_t>& ports, std::uint32_t credential) {
    for (std::size_t i = 0; i < ports.size(); ++i) {
        xk_step_key key{};
        key.node = node;
        key.port = ports[i];
        xk_step step{};
        // A step that another sequence has too leads where it led.
        if (bpf_map__lookup_elem(skeleton_->maps.sequence_steps, &key, sizeof key, &step, sizeof step, 0) != 0)
            step.next = i + 1 < ports.size() ? std::uint64_t{1} << 63 | ++nodes_ : 0;
        step.credential = credential;
        update(skeleton_->maps.sequence_steps, key, step);
        node = step.next;
    }
}

void Filter::age_runs(std::uint64_t ns) {
    for (const xk_address& source : keys_of<xk_address>(skeleton_->maps.c_lock_runs)) {
        xk_run run{};
        if (bpf_map__lookup_elem(skeleton_->maps.c_lock_runs, &source, sizeof source, &run, sizeof run, 0) != 0)
            continue; // the map has forgotten it meanwhile
        run.last -= ns;
        run.muted = run.muted > ns ? run.muted - ns : 0;
        update(skeleton_->maps.c_lock_runs, source, run);
    }
    const std::uint32_t only = 0;
    xk_attempts attempts{};
    REQUIRE(bpf_map__lookup_elem(skeleton_->maps.c_lock_attempts, &only, sizeof only, &attempts, sizeof attempts, 0) ==
            0);
    attempts.arrival = attempts.arrival > ns ? attempts.arrival - ns : 0;
    update(skeleton_->maps.c_lock_attempts, only, attempts);
}

void Filter::forgive(const char* source) {
    const xk_address key = abi(address(source));
    xk_run run{};
    if (bpf_map__lookup_elem(skeleton_->maps.c_lock_runs, &key, sizeof key, &run, sizeof run, 0) != 0)
        return;
    run.muted = 0;
    update(skeleton_->maps.c_lock_runs, key, run);
}

std::uint64_t Filter::attempts_until() const {
    const std::uint32_t only = 0;
    xk_attempts attempts{};
    REQUIRE(bpf_map__lookup_elem(skeleton_->maps.c_lock_attempts, &only, sizeof only, &attempts, sizeof attempts, 0) ==
            0);
    return attempts.arrival;
}

void Filter::fill_legacy_buckets() {
    for (std::uint32_t entry = 0; entry < XK_LEGACY_BUCKETS; ++entry)
        update(skeleton_->maps.legacy_buckets, entry, xk_bucket{});
}

std::size_t Filter::run_entries() const { return keys_of<xk_address>(skeleton_->maps.c_lock_runs).size(); }

void Filter::set_sequence_slot(const xk_sequence_slot& value) {
    update(skeleton_->maps.sequence_slots, static_cast<std::uint32_t>(value.slot % XK_SEQUENCE_SLOTS), value);
}

xk_sequence_slot Filter::sequence_slot(Slot slot) const {
    const auto entry = static_cast<std::uint32_t>(slot % XK_SEQUENCE_SLOTS);
    xk_sequence_slot value{};
    REQUIRE(bpf_map__lookup_elem(skeleton_->maps.sequence_slots, &entry, sizeof entry, &value, sizeof value, 0) == 0);
    return value;
}

void Filter::age_progress(std::uint64_t ns) {
    for (const xk_progress_key& key : keys_of<xk_progress_key>(skeleton_->maps.sequence_progress)) {
        xk_progress value{};
        REQUIRE(bpf_map__lookup_elem(skeleton_->maps.sequence_progress, &key, sizeof key, &value, sizeof value, 0) ==
                0);
        value.since -= ns;
        update(skeleton_->maps.sequence_progress, key, value);
    }
}

std::size_t Filter::progress_entries() const {
    return keys_of<xk_progress_key>(skeleton_->maps.sequence_progress).size();
}

void Filter::forget_sequences() {
    const auto empty = [](bpf_map* map, const auto& keys) {
        for (const auto& key : keys)
            REQUIRE(bpf_map__delete_elem(map, &key, sizeof key, 0) == 0);
    };
    const auto& maps = skeleton_->maps;
    empty(maps.sequence_steps, keys_of<xk_step_key>(maps.sequence_steps));
    empty(maps.sequence_progress, keys_of<xk_progress_key>(maps.sequence_progress));
    empty(maps.c_lock_runs, keys_of<xk_address>(maps.c_lock_runs));
    empty(maps.c_lock_sources, keys_of<xk_address>(maps.c_lock_sources));
    update(maps.c_lock_attempts, std::uint32_t{0}, xk_attempts{});
    for (std::uint32_t entry = 0; entry < XK_SEQUENCE_SLOTS; ++entry)
        update(maps.sequence_slots, entry, xk_sequence_slot{});
}

void Filter::add_local(const char* text) {
    update(skeleton_->maps.local_addresses, abi(address(text)), std::uint32_t{1});
}

void Filter::ban(const char* text, std::uint64_t until) {
    const Prefix prefix = Prefix::parse(text).value();
    if (prefix.is_single()) {
        update(skeleton_->maps.banned_addresses, abi(prefix.address), until);
        skeleton_->bss->bans.addresses = skeleton_->bss->bans.addresses + 1;
    } else {
        update(skeleton_->maps.banned_networks, xk_prefix{prefix.length, abi(prefix.address)}, until);
        skeleton_->bss->bans.networks = skeleton_->bss->bans.networks + 1;
    }
}

void Filter::guard_ssh() {
    xk_syn_guard guard;
    std::memset(&guard, 0, sizeof guard);
    guard.on = 1;
    guard.ports[0] = 1u << 22;
    for (const char* text : {"192.0.2.1", "2001:db8::1"}) {
        std::uint64_t halves[2];
        std::memcpy(halves, address(text).bytes.data(), sizeof halves);
        guard.local[xk_guard_slot(xk_address_hash(halves[0], halves[1]), 0)] = abi(address(text));
    }
    update(skeleton_->maps.syn_guard, std::uint32_t{0}, guard);
}

void Filter::disable(std::uint32_t credential) {
    update(skeleton_->maps.credentials, credential, xk_credential{0, 1, 0});
}

void Filter::count_bans(std::uint32_t addresses, std::uint32_t networks) {
    skeleton_->bss->bans.addresses = addresses;
    skeleton_->bss->bans.networks = networks;
}

void Filter::forward(bool on) { update(skeleton_->maps.forwarding, std::uint32_t{0}, std::uint32_t{on}); }

Verdict Filter::run(const Frame& frame, std::uint32_t repeat) { return run(skeleton_->progs.xknock, frame, repeat); }
Verdict Filter::run_bare(const Frame& packet) { return run(skeleton_->progs.xknock_ip, packet, 1); }

Verdict Filter::run(const bpf_program* program, const Frame& frame, std::uint32_t repeat) {
    record_.reset();
    sequence_.reset();
    failure_.reset();
    legacy_.clear();
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = frame.data(), .data_size_in = static_cast<__u32>(frame.size()),
                .repeat = static_cast<int>(repeat));
    REQUIRE(bpf_prog_test_run_opts(bpf_program__fd(program), &options) == 0);
    if (consume_)
        ring_buffer__consume(ring_);
    Verdict verdict;
    verdict.action = static_cast<int>(options.retval);
    // The program runs here alone, so what it has counted before is known.
    auto after = counters();
    for (int i = 0; i < XK_COUNTERS; ++i)
        for (auto n = counted_[static_cast<std::size_t>(i)]; n < after[static_cast<std::size_t>(i)]; ++n)
            verdict.counters.push_back(i);
    counted_ = std::move(after);
    verdict.record = record_;
    verdict.sequence = sequence_;
    verdict.failure = failure_;
    verdict.legacy = legacy_;
    return verdict;
}

std::uint32_t Filter::code_size() const {
    bpf_prog_info info{};
    __u32 size = sizeof info;
    REQUIRE(bpf_obj_get_info_by_fd(bpf_program__fd(skeleton_->progs.xknock), &info, &size) == 0);
    return info.xlated_prog_len;
}

// As the kernel has it, not as the object says.
MapShape Filter::shape_of(const std::string& map) const {
    bpf_map_info info{};
    __u32 size = sizeof info;
    const int fd = bpf_object__find_map_fd_by_name(skeleton_->obj, map.c_str());
    REQUIRE(bpf_obj_get_info_by_fd(fd, &info, &size) == 0);
    return {map, info.type, info.key_size, info.value_size, info.max_entries, info.map_flags};
}

void Filter::consume() { ring_buffer__consume(ring_); }

} // namespace xk::test
