// SPDX-License-Identifier: MIT
#include "daemon/xdp/program.h"

#include "bpf/abi.h"
#include "daemon/xdp/library_warnings.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/pinned_maps.h"
#include "protocol/base/fd.h"

#include "knock.skel.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <iterator>

namespace xk::xdp {
namespace {

xk_settings settings_of(const FilterSettings& from) {
    xk_settings settings{};
    settings.knock_port = __builtin_bswap16(from.knock_port);
    settings.capyknock_port = __builtin_bswap16(from.capyknock_port);
    settings.fwknop_port = __builtin_bswap16(from.fwknop_port);
    settings.stealth = from.dry_run ? XK_STEALTH_DRY : from.answer_as_closed ? XK_STEALTH_CLOSED : XK_STEALTH_DROP;
    settings.knock_interval = static_cast<__u64>(from.knock_interval.count());
    settings.knock_burst = from.knock_burst;
    settings.sequences = from.sequences ? 1 : 0;
    settings.c_lock_ports = static_cast<__u8>(from.c_lock_ports);
    settings.attempt_burst = from.attempts_per_hour;
    settings.attempt_interval =
        static_cast<__u64>(std::chrono::nanoseconds(std::chrono::hours(1)).count()) / from.attempts_per_hour;
    std::copy_n(from.open_ports.begin(), std::min<std::size_t>(from.open_ports.size(), XK_MOST_OPEN_PORTS),
                settings.open_ports);
    return settings;
}

void set_pins(const knock_bpf& skeleton, const std::string& maps) {
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, skeleton.obj) {
        if (is_pinned(bpf_map__name(map)))
            bpf_map__set_pin_path(map, (maps + "/" + bpf_map__name(map)).c_str());
    }
    // The pin lets a program that libxdp loads by itself share this memory. The map's own name has a dot, which no pin
    // may have.
    bpf_map__set_pin_path(skeleton.maps.bss, (maps + "/ban_counts").c_str());
}

const bpf_map* map_of(const knock_bpf& skeleton, Map map) {
    switch (map) {
    case Map::tags:
        return skeleton.maps.tags;
    case Map::credentials:
        return skeleton.maps.credentials;
    case Map::seen:
        return skeleton.maps.seen;
    case Map::local_addresses:
        return skeleton.maps.local_addresses;
    case Map::banned_addresses:
        return skeleton.maps.banned_addresses;
    case Map::banned_networks:
        return skeleton.maps.banned_networks;
    case Map::candidates:
        return skeleton.maps.candidates;
    case Map::counters:
        return skeleton.maps.counters;
    case Map::syn_guard:
        return skeleton.maps.syn_guard;
    case Map::known_sources:
        return skeleton.maps.known_sources;
    case Map::allowed_networks:
        return skeleton.maps.allowed_networks;
    case Map::forwarding:
        return skeleton.maps.forwarding;
    case Map::sequence_steps:
        return skeleton.maps.sequence_steps;
    case Map::sequence_slots:
        return skeleton.maps.sequence_slots;
    case Map::hello_peers:
        return skeleton.maps.hello_peers;
    }
    std::abort();
}

} // namespace

bool takes_fragments() {
    const bpf_insn pass[] = {{BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, XDP_PASS},
                             {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_XDP, .prog_flags = BPF_F_XDP_HAS_FRAGS);
    return bool(Fd(bpf_prog_load(BPF_PROG_TYPE_XDP, "fragments", "GPL", pass, std::size(pass), &options)));
}

const char* program_name(LinkLayer layer) { return layer == LinkLayer::ethernet ? "xknock" : "xknock_ip"; }

void Program::Destroy::operator()(knock_bpf* skeleton) const { knock_bpf__destroy(skeleton); }

Program::Program(knock_bpf* skeleton) : skeleton_(skeleton) {}
Program::Program(Program&&) noexcept = default;
Program& Program::operator=(Program&&) noexcept = default;
Program::~Program() = default;

Result<Program> Program::open(const FilterSettings& settings, const std::string& maps) {
    record_libbpf_warnings();
    Program program(knock_bpf__open());
    if (!program.skeleton_)
        return libbpf_error(errno, "opening the filter", kKernelHint);
    const knock_bpf& skeleton = *program.skeleton_;
    const xk_settings values = settings_of(settings);
    // Read-only data is volatile for the program and ours to write until it is loaded.
    std::memcpy(const_cast<xk_settings*>(reinterpret_cast<const volatile xk_settings*>(&skeleton.rodata->settings)),
                &values, sizeof values);
    // Without this flag drivers refuse an MTU above a page.
    if (takes_fragments())
        for (bpf_program* each : {skeleton.progs.xknock, skeleton.progs.xknock_ip})
            bpf_program__set_flags(each, bpf_program__flags(each) | BPF_F_XDP_HAS_FRAGS);
    set_pins(skeleton, maps);
    return program;
}

int Program::load() { return knock_bpf__load(skeleton_.get()); }

void Program::leave_programs_out() {
    for (bpf_program* each : {skeleton_->progs.xknock, skeleton_->progs.xknock_ip})
        bpf_program__set_autoload(each, false);
}

bpf_object* Program::object() const { return skeleton_->obj; }

int Program::map_fd(Map map) const { return bpf_map__fd(map_of(*skeleton_, map)); }

int Program::program_fd(LinkLayer layer) const {
    return bpf_program__fd(layer == LinkLayer::ethernet ? skeleton_->progs.xknock : skeleton_->progs.xknock_ip);
}

xk_bans& Program::ban_counts() const { return const_cast<xk_bans&>(skeleton_->bss->bans); }

} // namespace xk::xdp
