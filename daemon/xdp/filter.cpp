// SPDX-License-Identifier: MIT
#include "daemon/xdp/filter.h"

#include "daemon/xdp/component.h"
#include "daemon/xdp/library_warnings.h"
#include "daemon/xdp/link_layer.h"
#include "daemon/xdp/pinned_maps.h"
#include "daemon/xdp/pins.h"
#include "protocol/base/entries.h"
#include "protocol/base/quote.h"

#include <filesystem>

namespace xk::xdp {
namespace {

namespace fs = std::filesystem;

Result<std::string> make_maps_directory(const std::string& pins) {
    const std::string maps = maps_directory(pins);
    if (const auto code = make_directory_of_pins(maps); code)
        return Error{"making the directory " + in_quotes(maps) + " for pinned maps: " + code.message(),
                     "rm -r " + maps + " begins with new maps", Exit::configuration};
    return maps;
}

} // namespace

Filter::Filter(Program program, std::string pins) : program_(std::move(program)), pins_(std::move(pins)) {}
Filter::Filter(Filter&&) noexcept = default;
Filter& Filter::operator=(Filter&&) noexcept = default;
Filter::~Filter() = default;

Result<Filter> Filter::load(const FilterSettings& settings, const std::string& pins,
                            const std::function<void(const std::string&)>& note, const Filter* running) {
    if (auto ok = check_pin_directory(pins); !ok)
        return ok.error();
    auto maps = make_maps_directory(pins);
    if (!maps)
        return maps.error();
    if (running != nullptr)
        if (auto done = pin_again(running->program_.object()); !done)
            return done.error();
    auto program = Program::open(settings, *maps);
    if (!program)
        return std::move(program).error();
    if (settings.share) // the maps are needed before libxdp loads the programs
        program->leave_programs_out();
    MapTakeover takeover(program->object(), pins);
    if (auto done = takeover.prepare(); !done)
        return done.error();
    if (const int failure = program->load(); failure != 0)
        return libbpf_error(failure, "loading the filter", kKernelHint);
    takeover.finish(note);
    Filter filter(*std::move(program), pins);
    if (settings.share)
        if (auto made = filter.make_components(settings, *maps); !made)
            return made.error();
    return filter;
}

std::string_view name_of(Mode mode) {
    switch (mode) {
    case Mode::native:
        return "native";
    case Mode::generic:
        return "generic";
    case Mode::none:
        break;
    }
    return "not attached";
}

bool Filter::has_links(const std::string& pins) { return has_pin_of_link(pins) || has_pin_of_share(pins); }
bool Filter::has_shares(const std::string& pins) { return has_pin_of_share(pins); }

std::string Filter::pins_of_dry_run(const std::string& pins) { return xdp::pins_of_dry_run(pins); }

Result<void> Filter::remove_pins(const std::string& pins) {
    record_libbpf_warnings();
    switch_syn_guards_off(pins);
    Result<void> done;
    std::error_code code;
    for (const auto& entry : entries_of(pins, code)) {
        const std::string name = entry.path().filename();
        if (is_share(name)) {
            if (auto ended = remove_share(entry.path()); !ended)
                done = ended;
        } else if (is_our_pin(name)) {
            remove_pin(entry.path());
        }
    }
    return done;
}

void Filter::remove_dry_run(const std::string& pins) { remove_pin(pins_of_dry_run(pins)); }

} // namespace xk::xdp
