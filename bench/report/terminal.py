def show(folder, records):
    for r in records:
        m=r.metrics
        print(r.case["backend"],r.case["task"],r.case["cell"],r.probe,r.case["launch"],r.status,r.reason,f"{r.wall_s:.2f}", {k:v for k,v in m.items() if k in ("parity_error","parity_tolerance","score","steps_to_solve","step_s","forward_s","gradients_s","open_s","first_step_s","half_life.initial","half_life.trained","process_growth","work_s")})
