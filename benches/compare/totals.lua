-- Counts bytes: those of unfinished answers at the end count as well.
done = function(summary)
  io.write(("%d bytes in all\n"):format(summary.bytes))
end
