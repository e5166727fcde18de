-- What wrk measured, as one line of JSON behind its own report.
function done(summary, latency, requests)
    local errors = summary.errors
    io.write(string.format(
        'JSON {"requests":%d,"bytes":%d,"seconds":%f,"p50_us":%d,"p99_us":%d,"errors":%d}\n',
        summary.requests, summary.bytes, summary.duration / 1e6,
        latency:percentile(50), latency:percentile(99),
        errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
